"""Transactions of confluent-kafka (librdkafka) against the broker at the argument: commit, abort, offsets in a transaction, fencing."""
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from checks import check, expect_equal

base = {"bootstrap.servers": sys.argv[1]}


def producer(transactional_id="t-py"):
    made = Producer({**base, "transactional.id": transactional_id, "transaction.timeout.ms": 10000})
    made.init_transactions(20)
    return made


def run(made, value, commits):
    made.begin_transaction()
    made.produce("py", value)
    made.flush(10)
    made.commit_transaction(20) if commits else made.abort_transaction(20)


def consumer(group, **options):
    return Consumer({**base, "group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000, "enable.auto.commit": False, **options})


def values(count, level="read_committed", seconds=20):
    source = consumer(f"r-{level}", **{"isolation.level": level})
    source.assign([TopicPartition("py", 0, 0)])
    got, end = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        record = source.poll(0.2)
        if record is not None and not record.error():
            got.append(record.value().decode())
    source.close()
    return got


first = producer()


def commit_and_abort():
    run(first, "a", True)
    run(first, "B", False)
    run(first, "c", True)
    expect_equal(values(2), ["a", "c"])
    expect_equal(values(3, "read_uncommitted"), ["a", "B", "c"])


def offsets():
    source = consumer("g-py")
    source.subscribe(["py"])
    end = time.monotonic() + 20
    while time.monotonic() < end and (record := source.poll(0.2)) is None:
        pass
    for commits in (False, True):
        first.begin_transaction()
        first.send_offsets_to_transaction([TopicPartition("py", 0, 4)], source.consumer_group_metadata(), 20)
        first.commit_transaction(20) if commits else first.abort_transaction(20)
        [found] = source.committed([TopicPartition("py", 0)], 20)
        expect_equal(found.offset, 4 if commits else -1001)
    source.close()


def fencing():
    second = producer()
    run(second, "d", True)
    try:
        run(first, "E", True)
    except KafkaException as error:
        expect_equal(error.args[0].fatal(), True)
    else:
        raise RuntimeError("the zombie was not fenced")
    expect_equal(values(3), ["a", "c", "d"])


check("commit and abort", commit_and_abort)
check("offsets in a transaction", offsets)
check("fence a zombie", fencing)
