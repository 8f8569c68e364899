import java.io.File;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;
import org.apache.spark.sql.*;
import org.apache.spark.sql.streaming.*;

/**
 * Spark's source and sink for Kafka against the broker at the first argument; the second is a
 * folder for checkpoints. Prints a line of JSON for each check.
 */
public class SparkRound {
  static String address;
  static File folder;
  static SparkSession spark;

  public static void main(String[] args) throws Exception {
    address = args[0];
    folder = new File(args[1]);
    spark = SparkSession.builder().master("local[2]").appName("round").config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2")
      .config("spark.sql.warehouse.dir", new File(folder, "warehouse").getPath()).config("spark.driver.host", "127.0.0.1")
      .config("spark.driver.bindAddress", "127.0.0.1").getOrCreate();
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
      admin.createTopics(List.of(new NewTopic("spark-in", 4, (short) 1), new NewTopic("spark-out", 2, (short) 1))).all().get();
      send("spark-in", 0, 1000);
      check("read a topic as a table", () -> {
        expect(read("spark-in", Map.of()).selectExpr("cast(value as string)").distinct().count(), 1000L);
        expect(read("spark-in", Map.of("minPartitions", "8")).count(), 1000L);
      });
      check("read a topic from a time on", () -> {
        long time = System.currentTimeMillis();
        send("spark-in", 1000, 1100);
        expect(read("spark-in", Map.of("startingTimestamp", String.valueOf(time))).count(), 100L);
      });
      check("write a table to a topic, with keys and headers", () -> {
        spark.range(200).selectExpr("cast(id as string) as key", "concat('v', id) as value", "array(struct('h' as key, cast('1' as binary) as value)) as headers")
          .write().format("kafka").option("kafka.bootstrap.servers", address).option("topic", "spark-out").option("includeHeaders", "true").save();
        Dataset<Row> written = read("spark-out", Map.of("includeHeaders", "true"));
        expect(written.where("cast(value as string) = concat('v', cast(key as string)) and headers[0].key = 'h'").count(), 200L);
      });
      check("copy a topic as a stream, and go on at the checkpoint", () -> {
        copy("copied");
        expect(read("copied", Map.of()).count(), 1100L);
        send("spark-in", 1100, 1150);
        copy("copied");
        expect(read("copied", Map.of()).count(), 1150L);
      });
      check("count a stream in windows with a watermark", () -> {
        Dataset<Row> counts = spark.readStream().format("kafka").option("kafka.bootstrap.servers", address).option("subscribe", "spark-in")
          .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", "500").load()
          .withWatermark("timestamp", "1 minute").groupBy(functions.window(functions.col("timestamp"), "1 hour")).count();
        StreamingQuery query = counts.writeStream().outputMode("complete").format("memory").queryName("counted").trigger(Trigger.AvailableNow())
          .option("checkpointLocation", new File(folder, "counted").getPath()).start();
        query.awaitTermination(90_000);
        query.stop();
        expect(spark.sql("select sum(count) from counted").first().getLong(0), 1150L);
      });
    }
    System.exit(0);
  }

  static Dataset<Row> read(String topic, Map<String, String> options) {
    return spark.read().format("kafka").option("kafka.bootstrap.servers", address).option("subscribe", topic).options(options).load();
  }

  static void copy(String topic) throws Exception {
    StreamingQuery query = spark.readStream().format("kafka").option("kafka.bootstrap.servers", address).option("subscribe", "spark-in")
      .option("startingOffsets", "earliest").load().selectExpr("key", "value").writeStream().format("kafka").option("kafka.bootstrap.servers", address)
      .option("topic", topic).option("checkpointLocation", new File(folder, topic).getPath()).trigger(Trigger.AvailableNow()).start();
    if (!query.awaitTermination(90_000)) throw new IllegalStateException("Expected the stream to end within 90 seconds");
  }

  static void send(String topic, int from, int to) throws Exception {
    try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", address), new StringSerializer(), new StringSerializer())) {
      for (int i = from; i < to; i++) producer.send(new ProducerRecord<>(topic, "k" + i, "v" + i));
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
