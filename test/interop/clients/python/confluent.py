"""A round of confluent-kafka (librdkafka) against the broker at the first argument; the second says whether zstd can be tried."""
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from checks import check, expect_equal

address, zstd = sys.argv[1], sys.argv[2] == "true"
base = {"bootstrap.servers": address}
admin = AdminClient(base)


def consumer(group, **options):
    return Consumer({**base, "group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000, **options})


def read(source, count, seconds=20):
    got, end = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        record = source.poll(0.2)
        if record is None:
            continue
        if record.error():
            raise RuntimeError(record.error())
        got.append(record)
    return got


def write(topic, values, **options):
    producer = Producer({**base, **options})
    failures = []
    for i, value in enumerate(values):
        producer.produce(topic, value, key=b"k%d" % i, headers=[("h", b"x")], on_delivery=lambda error, _: error and failures.append(str(error)))
    producer.flush(20)
    expect_equal(failures, [])


def topics():
    for future in admin.create_topics([NewTopic("cp-admin", 3, 1)]).values():
        future.result()
    expect_equal(len(admin.list_topics("cp-admin").topics["cp-admin"].partitions), 3)
    resource = ConfigResource(ResourceType.TOPIC, "cp-admin")
    expect_equal("retention.ms" in admin.describe_configs([resource])[resource].result(), True)
    for future in admin.delete_topics(["cp-admin"]).values():
        future.result()


def codec(name, **options):
    topic = f"cp-{name}-{len(options)}"
    values = [b"v%d" % i * 10 for i in range(300)]
    write(topic, values, **{"compression.type": name}, **options)
    source = consumer(f"{topic}-group")
    source.subscribe([topic])
    got = read(source, 300)
    source.close()
    expect_equal([(r.key(), r.value(), r.headers()) for r in got], [(b"k%d" % i, v, [("h", b"x")]) for i, v in enumerate(values)])


def group():
    for future in admin.create_topics([NewTopic("cp-group", 4, 1)]).values():
        future.result()
    members = [consumer("cp-shared", **{"partition.assignment.strategy": "cooperative-sticky"}) for _ in range(2)]
    for member in members:
        member.subscribe(["cp-group"])
    end = time.monotonic() + 30
    while [len(member.assignment()) for member in members] != [2, 2]:
        for member in members:
            member.poll(0.1)
        if time.monotonic() > end:
            raise RuntimeError(f"It came to {[len(member.assignment()) for member in members]}")
    write("cp-group", [b"%d" % i for i in range(40)])
    got = sorted(int(r.value()) for member in members for r in read(member, 40, 2))
    expect_equal(got, list(range(40)))
    for member in members:
        member.close()
    again = consumer("cp-shared", **{"partition.assignment.strategy": "cooperative-sticky"})
    again.subscribe(["cp-group"])
    expect_equal(len(read(again, 1, 4)), 0)
    again.close()


def seek():
    producer = Producer(base)
    for timestamp in (1000, 2000, 3000):
        producer.produce("cp-seek", b"%d" % timestamp, timestamp=timestamp)
        producer.flush(10)
    source = consumer("cp-seek-group")
    expect_equal([p.offset for p in source.offsets_for_times([TopicPartition("cp-seek", 0, 1500)], timeout=10)], [1])
    expect_equal(source.get_watermark_offsets(TopicPartition("cp-seek", 0), timeout=10), (0, 3))
    source.assign([TopicPartition("cp-seek", 0, 2)])
    expect_equal([r.value() for r in read(source, 1)], [b"3000"])
    source.close()


check("create, describe and delete topics", topics)
for name in ("none", "gzip", "snappy", "lz4", "zstd"):
    if name != "zstd" or zstd:
        check(f"produce and consume {name}", lambda: codec(name))
check("produce idempotently", lambda: codec("lz4", **{"enable.idempotence": True}))
check("share a group cooperatively, and go on where it ended", group)
check("seek, and find offsets by time", seek)
