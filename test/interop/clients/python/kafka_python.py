"""A round of kafka-python against the broker at the first argument; the second says whether zstd can be tried."""
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from checks import check, expect_equal

address, zstd = sys.argv[1], sys.argv[2] == "true"
admin = KafkaAdminClient(bootstrap_servers=address)


def consumer(**options):
    return KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=15000, **options)


def read(source, count):
    got = []
    for record in source:
        got.append(record)
        if len(got) == count:
            break
    return got


def topics():
    admin.create_topics([NewTopic("py-admin", 3, 1)])
    expect_equal("py-admin" in admin.list_topics(), True)
    admin.delete_topics(["py-admin"])
    expect_equal("py-admin" in admin.list_topics(), False)


def codec(name, **options):
    topic = f"py-{name}-{len(options)}"
    producer = KafkaProducer(bootstrap_servers=address, compression_type=None if name == "none" else name, **options)
    expected = [(b"k%d" % i, b"v%d" % i, [("h", b"x")]) for i in range(200)]
    for key, value, headers in expected:
        producer.send(topic, key=key, value=value, headers=headers)
    producer.flush()
    producer.close()
    source = consumer()
    source.subscribe([topic])
    got = read(source, 200)
    source.close()
    expect_equal([(r.key, r.value, list(r.headers)) for r in got], expected)


def group():
    admin.create_topics([NewTopic("py-group", 2, 1)])
    producer = KafkaProducer(bootstrap_servers=address)
    for i in range(50):
        producer.send("py-group", b"%d" % i, partition=i % 2)
    producer.flush()
    first = consumer(group_id="py-shared", enable_auto_commit=False)
    first.subscribe(["py-group"])
    expect_equal(len(read(first, 50)), 50)
    first.commit()
    first.close()
    for i in range(10):
        producer.send("py-group", b"more %d" % i, partition=0)
    producer.close()
    second = consumer(group_id="py-shared")
    second.subscribe(["py-group"])
    expect_equal(sorted(r.value for r in read(second, 10)), sorted(b"more %d" % i for i in range(10)))
    second.close()


def seek():
    partition = TopicPartition("py-seek", 0)
    producer = KafkaProducer(bootstrap_servers=address)
    for timestamp in (1000, 2000, 3000):
        producer.send("py-seek", b"%d" % timestamp, timestamp_ms=timestamp).get(10)
    producer.close()
    source = consumer()
    source.assign([partition])
    expect_equal(source.offsets_for_times({partition: 1500})[partition].offset, 1)
    expect_equal((source.beginning_offsets([partition])[partition], source.end_offsets([partition])[partition]), (0, 3))
    source.seek(partition, 2)
    expect_equal([r.value for r in read(source, 1)], [b"3000"])
    source.close()


check("create, list and delete topics", topics)
for name in ("none", "gzip", "snappy", "lz4", "zstd"):
    if name == "zstd" and not zstd:
        continue
    check(f"produce and consume {name}", lambda: codec(name))
check("produce idempotently", lambda: codec("none", enable_idempotence=True))
check("commit in a group, and go on there", group)
check("seek, and find offsets by time", seek)
