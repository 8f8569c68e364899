import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/** Runs transactions with the Java client, in version 2 of transactions where the broker has it, and prints what it saw, one fact a line. */
public class Transactions {
  static Map<String, Object> at(String address) {
    return new HashMap<>(Map.of("bootstrap.servers", address));
  }

  static KafkaProducer<String, String> producer(String address, String id) {
    var config = at(address);
    config.put("transactional.id", id);
    config.put("transaction.timeout.ms", "20000");
    return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(String address, String group, boolean committed) {
    var config = at(address);
    config.put("group.id", group);
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", "earliest");
    config.put("isolation.level", committed ? "read_committed" : "read_uncommitted");
    return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
  }

  static String readAll(String address, String topic, boolean committed) {
    try (var consumer = consumer(address, "reader", committed)) {
      var partition = new TopicPartition(topic, 0);
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      var values = new StringBuilder();
      while (consumer.position(partition) < end)
        for (var record : consumer.poll(Duration.ofMillis(200))) values.append(values.length() > 0 ? " " : "").append(record.value());
      return values.toString();
    }
  }

  public static void main(String[] args) throws Exception {
    String address = args[0];
    String topic = args[1];
    var producer = producer(address, "java-t");
    producer.initTransactions();
    for (var value : List.of("a", "B", "c")) {
      producer.beginTransaction();
      producer.send(new ProducerRecord<>(topic, 0, "k", value)).get();
      producer.send(new ProducerRecord<>(topic, 0, "k", value + value));
      if (value.equals("B")) producer.abortTransaction();
      else producer.commitTransaction();
    }
    System.out.println("committed: " + readAll(address, topic, true));
    System.out.println("all: " + readAll(address, topic, false));

    try (var consumer = consumer(address, "java-g", true)) {
      consumer.subscribe(List.of(topic));
      ConsumerRecords<String, String> records = ConsumerRecords.empty();
      while (records.isEmpty()) records = consumer.poll(Duration.ofMillis(200));
      producer.beginTransaction();
      var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
      for (var record : records) {
        producer.send(new ProducerRecord<>(topic + "-out", 0, record.key(), record.value().toUpperCase()));
        offsets.put(new TopicPartition(topic, 0), new OffsetAndMetadata(record.offset() + 1));
      }
      producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
      producer.commitTransaction();
      System.out.println("moved: " + readAll(address, topic + "-out", true));
      System.out.println("offset: " + consumer.committed(Set.of(new TopicPartition(topic, 0))).get(new TopicPartition(topic, 0)).offset());
      var stale = new ConsumerGroupMetadata("java-g", 99, "nobody", Optional.empty());
      producer.beginTransaction();
      try {
        producer.sendOffsetsToTransaction(offsets, stale);
        producer.commitTransaction();
        System.out.println("stale member: committed");
      } catch (CommitFailedException error) {
        producer.abortTransaction();
        System.out.println("stale member: refused");
      }
    }

    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, 0, "k", "Z")).get();
    var next = producer(address, "java-t");
    next.initTransactions();
    try {
      producer.send(new ProducerRecord<>(topic, 0, "k", "Z"));
      producer.commitTransaction();
      System.out.println("zombie: committed");
    } catch (ProducerFencedException | InvalidProducerEpochException error) {
      System.out.println("zombie: fenced");
    }
    producer.close(Duration.ofSeconds(1));
    next.beginTransaction();
    next.send(new ProducerRecord<>(topic, 0, "k", "d"));
    next.commitTransaction();
    System.out.println("after: " + readAll(address, topic, true));
    next.close();
  }
}
