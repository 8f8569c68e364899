import java.io.File;
import java.time.Duration;
import java.util.*;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.*;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.*;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Flink's connector against the broker at the first argument; the second is a folder for
 * checkpoints. Prints a line of JSON for each check.
 */
public class FlinkRound {
  static String address;
  static File folder;

  public static void main(String[] args) throws Exception {
    address = args[0];
    folder = new File(args[1]);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
      admin.createTopics(List.of(new NewTopic("input", 4, (short) 1), new NewTopic("output", 2, (short) 1), new NewTopic("exact", 2, (short) 1))).all().get();
      send("input", 0, 1000);
      check("read a topic up to its end, as a batch", () -> {
        List<String> got = stream(source("bounded").setBounded(OffsetsInitializer.latest()).build(), environment()).executeAndCollect(2000);
        expect(new TreeSet<>(got).size() + " of " + got.size(), "1000 of 1000");
      });
      check("read a topic from a time on", () -> {
        long time = System.currentTimeMillis();
        send("input", 1000, 1100);
        var bounded = source("timed").setStartingOffsets(OffsetsInitializer.timestamp(time)).setBounded(OffsetsInitializer.latest()).build();
        expect(stream(bounded, environment()).executeAndCollect(2000).size(), 100);
      });
      check("copy a topic at least once, with checkpoints and committed offsets", () -> {
        StreamExecutionEnvironment environment = environment();
        environment.enableCheckpointing(200);
        stream(source("copier").build(), environment).map(value -> "copy " + value).returns(String.class).sinkTo(sink());
        JobClient job = environment.executeAsync();
        until("copies of all records", () -> end(admin, "output") >= 1100);
        until("committed offsets", () -> committed(admin, "copier") == 1100);
        job.cancel().get();
      });
      check("copy a topic exactly once, in transactions that end with checkpoints", () -> {
        StreamExecutionEnvironment environment = environment();
        environment.enableCheckpointing(200);
        stream(source("exact").build(), environment).sinkTo(KafkaSink.<String>builder().setBootstrapServers(address)
          .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE).setTransactionalIdPrefix("exact").setProperty("transaction.timeout.ms", "60000")
          .setRecordSerializer(KafkaRecordSerializationSchema.builder().setTopic("exact").setValueSerializationSchema(new SimpleStringSchema()).build()).build());
        JobClient job = environment.executeAsync();
        until("committed offsets", () -> committed(admin, "exact") == 1100);
        job.cancel().get();
        expect(committedValues("exact"), 1100);
      });
      check("go on at the offsets that were committed", () -> {
        send("input", 1100, 1150);
        var bounded = source("copier").setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
          .setBounded(OffsetsInitializer.latest()).build();
        expect(stream(bounded, environment()).executeAndCollect(2000).size(), 50);
      });
      check("find partitions that are added while it runs", () -> {
        StreamExecutionEnvironment environment = environment();
        long before = end(admin, "output");
        stream(source("finder").setStartingOffsets(OffsetsInitializer.latest()).setProperty("partition.discovery.interval.ms", "500").build(), environment)
          .sinkTo(sink());
        JobClient job = environment.executeAsync();
        admin.createPartitions(Map.of("input", NewPartitions.increaseTo(6))).all().get();
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", address), new StringSerializer(), new StringSerializer())) {
          until("records of the new partition", () -> {
            try { producer.send(new ProducerRecord<>("input", 5, null, "new")).get(); Thread.sleep(500); } catch (Exception e) { throw new IllegalStateException(e); }
            return end(admin, "output") > before;
          });
        }
        job.cancel().get();
      });
    }
    System.exit(0);
  }

  static StreamExecutionEnvironment environment() {
    Configuration configuration = new Configuration();
    configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, folder.toURI().toString());
    return StreamExecutionEnvironment.createLocalEnvironment(2, configuration);
  }

  static org.apache.flink.connector.kafka.source.KafkaSourceBuilder<String> source(String group) {
    return KafkaSource.<String>builder().setBootstrapServers(address).setTopics("input").setGroupId(group)
      .setStartingOffsets(OffsetsInitializer.earliest()).setValueOnlyDeserializer(new SimpleStringSchema());
  }

  static DataStream<String> stream(KafkaSource<String> source, StreamExecutionEnvironment environment) {
    return environment.fromSource(source, WatermarkStrategy.noWatermarks(), "input");
  }

  static KafkaSink<String> sink() {
    return KafkaSink.<String>builder().setBootstrapServers(address).setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
      .setRecordSerializer(KafkaRecordSerializationSchema.builder().setTopic("output").setValueSerializationSchema(new SimpleStringSchema()).build()).build();
  }

  static void send(String topic, int from, int to) throws Exception {
    try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", address), new StringSerializer(), new StringSerializer())) {
      for (int i = from; i < to; i++) producer.send(new ProducerRecord<>(topic, "k" + i, "v" + i));
    }
  }

  static long end(Admin admin, String topic) {
    try {
      int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
      Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
      for (int i = 0; i < partitions; i++) wanted.put(new TopicPartition(topic, i), OffsetSpec.latest());
      return admin.listOffsets(wanted).all().get().values().stream().mapToLong(ListOffsetsResult.ListOffsetsResultInfo::offset).sum();
    } catch (Exception e) { throw new IllegalStateException(e); }
  }

  static long committed(Admin admin, String group) {
    try {
      return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream().mapToLong(OffsetAndMetadata::offset).sum();
    } catch (Exception e) { throw new IllegalStateException(e); }
  }

  /** The number of records of a topic that are in no transaction, or in one that was committed; each has another value. */
  static int committedValues(String topic) {
    Set<String> values = new HashSet<>();
    int count = 0;
    Map<String, Object> properties = Map.of("bootstrap.servers", address, "isolation.level", "read_committed");
    try (var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
      List<TopicPartition> all = consumer.partitionsFor(topic).stream().map(info -> new TopicPartition(topic, info.partition())).toList();
      consumer.assign(all);
      consumer.seekToBeginning(all);
      Map<TopicPartition, Long> ends = consumer.endOffsets(all);
      while (all.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition)))
        for (var record : consumer.poll(Duration.ofMillis(200))) {
          values.add(record.value());
          count++;
        }
    }
    if (values.size() != count) throw new IllegalStateException("Expected each value once, got " + count + " records of " + values.size() + " values");
    return count;
  }

  static void until(String what, java.util.function.Supplier<Boolean> isSo) throws Exception {
    long end = System.currentTimeMillis() + 60_000;
    while (!isSo.get()) {
      if (System.currentTimeMillis() > end) throw new IllegalStateException("Expected " + what + " within a minute");
      Thread.sleep(100);
    }
  }

  static void expect(Object actual, Object expected) {
    if (!actual.equals(expected)) throw new IllegalStateException("Expected " + expected + ", got " + actual);
  }

  interface Act { void run() throws Exception; }

  static void check(String what, Act act) {
    String problem = "";
    try {
      act.run();
    } catch (Throwable error) {
      problem = ",\"problem\":\"" + String.valueOf(error).replaceAll("[\"\\\\\\n]", " ") + "\"";
    }
    System.out.println("{\"what\":\"" + what + "\"" + problem + "}");
  }
}
