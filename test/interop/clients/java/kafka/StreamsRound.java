import java.io.File;
import java.time.Duration;
import java.util.*;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/**
 * Kafka Streams against the broker at the first argument; the second is a folder for its state.
 * Prints a line of JSON for each check.
 */
public class StreamsRound {
  static String address;
  static File folder;

  public static void main(String[] args) throws Exception {
    address = args[0];
    folder = new File(args[1]);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
      admin.createTopics(List.of(topic("lines", 4), topic("counts", 4), topic("people", 4), topic("named", 4), topic("clicks", 4), topic("windows", 4))).all().get();
      check("count words through a repartition topic, with state", () -> {
        try (KafkaStreams streams = start("words", words(), "first")) {
          send("lines", pair("1", "a b a"), pair("2", "c b a"));
          expect(latest("counts", Map.of("a", "3", "b", "2", "c", "1")), Map.of("a", "3", "b", "2", "c", "1"));
        }
      });
      check("create internal topics with the configs that Streams asks for", () -> {
        var names = admin.listTopics().names().get();
        expect(names.contains("words-word-repartition") && names.contains("words-store-changelog"), true);
        var changelog = new ConfigResource(ConfigResource.Type.TOPIC, "words-store-changelog");
        expect(admin.describeConfigs(List.of(changelog)).all().get().get(changelog).get("cleanup.policy").value(), "compact");
      });
      check("restore the state from its changelog where it is lost", () -> {
        try (KafkaStreams streams = start("words", words(), "second")) {
          send("lines", pair("3", "a"));
          expect(latest("counts", Map.of("a", "4")), Map.of("a", "4", "b", "2", "c", "1"));
        }
      });
      check("share tasks between two instances, and take over those of one that ends", () -> {
        KafkaStreams one = start("words", words(), "second");
        try (KafkaStreams two = start("words", words(), "third")) {
          until("two instances with tasks", () -> tasks(one) > 0 && tasks(two) > 0);
          one.close(new KafkaStreams.CloseOptions().leaveGroup(true).timeout(Duration.ofSeconds(20)));
          send("lines", pair("4", "a b c d"));
          var wanted = Map.of("a", "5", "b", "3", "c", "2", "d", "1");
          expect(latest("counts", wanted), wanted);
        }
      });
      check("process exactly once (exactly_once_v2), also when an instance ends in the middle", () -> {
        admin.createTopics(List.of(topic("payments", 4), topic("sums", 4))).all().get();
        String[][] payments = new String[2000][];
        for (int i = 0; i < payments.length; i++) payments[i] = pair("k" + i % 10, "1");
        send("payments", payments);
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream("payments").groupByKey().count(Materialized.as("sum")).toStream().mapValues(String::valueOf).to("sums");
        Topology sums = builder.build();
        KafkaStreams one = start("exact", sums, "exact-1", "exactly_once_v2");
        until("some sums", () -> end(admin, "sums") > 100);
        one.close(Duration.ZERO);
        try (KafkaStreams two = start("exact", sums, "exact-2", "exactly_once_v2")) {
          Map<String, String> wanted = new TreeMap<>();
          for (int i = 0; i < 10; i++) wanted.put("k" + i, "200");
          expect(latest("sums", wanted), wanted);
          expect(count("sums"), 2000);
        }
      });
      check("join a stream with a table", () -> {
        StreamsBuilder builder = new StreamsBuilder();
        KTable<String, String> people = builder.table("people");
        builder.<String, String>stream("lines").join(people, (line, name) -> name + ": " + line).to("named");
        send("people", pair("ann", "Ann"), pair("bob", "Bob"), pair("bob", null));
        try (KafkaStreams streams = start("joined", builder.build(), "joined")) {
          until("the table", () -> tasks(streams) > 0 && lag(streams) == 0);
          send("lines", pair("ann", "hello"), pair("bob", "hello"));
          expect(latest("named", Map.of("ann", "Ann: hello")), Map.of("ann", "Ann: hello"));
        }
      });
      check("count in windows, and suppress until they close", () -> {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream("clicks").groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
          .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofSeconds(10))).count(Materialized.with(Serdes.String(), Serdes.Long()))
          .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
          .toStream((window, count) -> window.key() + "@" + window.window().start()).mapValues(String::valueOf).to("windows");
        long start = System.currentTimeMillis() / 10_000 * 10_000 - 100_000;
        for (long time : new long[] {start, start + 5_000, start + 10_000, start + 30_000}) sendAt(time, "clicks", pair("w", "v"));
        try (KafkaStreams streams = start("windowed", builder.build(), "windowed")) {
          var wanted = Map.of("w@" + start, "2", "w@" + (start + 10_000), "1");
          var got = latest("windows", wanted);
          got.keySet().retainAll(wanted.keySet());
          expect(got, wanted);
        }
      });
    }
    System.exit(0);
  }

  static Topology words() {
    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream("lines").flatMapValues(line -> List.of(line.split(" "))).groupBy((key, word) -> word, Grouped.as("word"))
      .count(Materialized.as("store")).toStream().mapValues(String::valueOf).to("counts");
    return builder.build();
  }

  static KafkaStreams start(String application, Topology topology, String state) {
    return start(application, topology, state, "at_least_once");
  }

  static KafkaStreams start(String application, Topology topology, String state, String guarantee) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", address);
    properties.put("application.id", application);
    properties.put("state.dir", new File(folder, state).getPath());
    properties.put("default.key.serde", Serdes.StringSerde.class);
    properties.put("default.value.serde", Serdes.StringSerde.class);
    properties.put("auto.offset.reset", "earliest");
    properties.put("commit.interval.ms", 100);
    properties.put("statestore.cache.max.bytes", 0);
    properties.put("session.timeout.ms", 6000);
    properties.put("processing.guarantee", guarantee);
    KafkaStreams streams = new KafkaStreams(topology, properties);
    streams.start();
    until(application + " runs", () -> streams.state() == KafkaStreams.State.RUNNING);
    return streams;
  }

  static int tasks(KafkaStreams streams) {
    return streams.metadataForLocalThreads().stream().mapToInt(thread -> thread.activeTasks().size()).sum();
  }

  static long lag(KafkaStreams streams) {
    return streams.allLocalStorePartitionLags().values().stream().flatMap(store -> store.values().stream()).mapToLong(LagInfo::offsetLag).sum();
  }

  static NewTopic topic(String name, int partitions) {
    return new NewTopic(name, partitions, (short) 1);
  }

  static String[] pair(String key, String value) {
    return new String[] {key, value};
  }

  static void send(String topic, String[]... pairs) throws Exception {
    sendAt(null, topic, pairs);
  }

  static void sendAt(Long time, String topic, String[]... pairs) throws Exception {
    try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", address), new StringSerializer(), new StringSerializer())) {
      for (String[] pair : pairs) producer.send(new ProducerRecord<>(topic, null, time, pair[0], pair[1]));
      producer.flush();
    }
  }

  static long end(Admin admin, String topic) {
    try {
      Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
      for (int i = 0; i < 4; i++) wanted.put(new TopicPartition(topic, i), OffsetSpec.latest());
      return admin.listOffsets(wanted).all().get().values().stream().mapToLong(ListOffsetsResult.ListOffsetsResultInfo::offset).sum();
    } catch (Exception e) { throw new IllegalStateException(e); }
  }

  /** The number of committed records of a topic. */
  static int count(String topic) {
    int count = 0;
    Map<String, Object> properties = new HashMap<>(reader());
    properties.put("isolation.level", "read_committed");
    try (var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
      List<TopicPartition> all = consumer.partitionsFor(topic).stream().map(info -> new TopicPartition(topic, info.partition())).toList();
      consumer.assign(all);
      consumer.seekToBeginning(all);
      Map<TopicPartition, Long> ends = consumer.endOffsets(all);
      while (all.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) count += consumer.poll(Duration.ofMillis(200)).count();
    }
    return count;
  }

  static Map<String, Object> reader() {
    return Map.of("bootstrap.servers", address, "auto.offset.reset", "earliest", "group.id", "reader-" + UUID.randomUUID());
  }

  /** The last value of each key, as soon as those of `wanted` are there. */
  static Map<String, String> latest(String topic, Map<String, String> wanted) {
    Map<String, String> latest = new TreeMap<>();
    try (var consumer = new KafkaConsumer<>(reader(), new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      long end = System.currentTimeMillis() + 30_000;
      while (System.currentTimeMillis() < end && !latest.entrySet().containsAll(wanted.entrySet()))
        for (var record : consumer.poll(Duration.ofMillis(200))) latest.put(record.key(), record.value());
    }
    return latest;
  }

  static void until(String what, Supplier<Boolean> isSo) {
    long end = System.currentTimeMillis() + 60_000;
    while (!isSo.get()) {
      if (System.currentTimeMillis() > end) throw new IllegalStateException("Expected " + what + " within a minute");
      try { Thread.sleep(50); } catch (InterruptedException e) { throw new IllegalStateException(e); }
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
