// Follows roster.<district> with Kafka's own Java client: reads from where it was to the end, and keeps what it read, one
// line per entity, with its position in one file. Run it as often as you like; docs/subscribing.md has the rules.
//
//   mvn -f pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=libs
//   java -cp 'libs/*' Follow.java 127.0.0.1:9092 http://127.0.0.1:8081/apis/ccompat/v7 roster.springfield state.tsv
//
// A product would write to its database instead: what a batch changes and the position, in one transaction.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Follow {
  /** Other types may come: their keys are skipped, like every key that is not understood. */
  static final Set<String> TYPES = Set.of("org", "academicSession", "course", "class", "user", "role", "demographics",
      "enrollment", "resource", "classResource", "courseResource");
  static final Duration LONGEST_AWAY = Duration.ofDays(36);

  /** The topic that was read, the next offset, and when this reader last knew itself at the end. */
  record Position(String generation, long next, Instant atEnd) {}

  final ObjectMapper json = new ObjectMapper();
  final HttpClient http = HttpClient.newHttpClient();
  final Map<Integer, Schema> schemas = new HashMap<>();
  final Map<String, String> state = new TreeMap<>();
  final String registry;

  Follow(String registry) {
    this.registry = registry;
  }

  public static void main(String[] args) throws Exception {
    new Follow(args[1]).readToEnd(args[0], args[2], Path.of(args[3]));
  }

  void readToEnd(String brokers, String topic, Path file) throws Exception {
    Position position = load(file);
    Properties settings = new Properties();
    settings.put("bootstrap.servers", brokers);
    // The position is ours: no group, nothing committed, and never an offset that the client chose.
    settings.put("enable.auto.commit", "false");
    settings.put("auto.offset.reset", "none");
    TopicPartition partition = new TopicPartition(topic, 0);
    try (Admin admin = Admin.create(settings);
        KafkaConsumer<String, byte[]> consumer =
            new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
      Instant now = Instant.now();
      String generation = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId().toString();
      long start = consumer.beginningOffsets(List.of(partition)).get(partition);
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      String reason = startOverReason(position, generation, start, end, now);
      if (reason != null) {
        System.out.println("starting over: " + reason);
        // Nothing is carried over, so nothing is left to sweep. Who keeps rows sweeps at the end those not seen.
        state.clear();
        position = new Position(generation, start, now);
      }
      consumer.assign(List.of(partition));
      consumer.seek(partition, position.next());
      while (consumer.position(partition) < end)
        for (ConsumerRecord<String, byte[]> each : consumer.poll(Duration.ofSeconds(1))) apply(each, generation);
      save(file, new Position(generation, consumer.position(partition), now));
    }
  }

  static String startOverReason(Position position, String generation, long start, long end, Instant now) {
    if (position == null) return "nothing was read yet";
    if (!position.generation().equals(generation)) return "the topic was made again";
    if (position.next() < start || position.next() > end) return "the position is outside the log";
    return Duration.between(position.atEnd(), now).compareTo(LONGEST_AWAY) > 0 ? "away for too long" : null;
  }

  void apply(ConsumerRecord<String, byte[]> message, String generation) throws Exception {
    String written = new String(message.headers().lastHeader("generation").value());
    if (!written.equals(generation)) throw new IllegalStateException("the topic was made again: run once more");
    List<?> key = json.readValue(message.key(), List.class);
    if (key.size() != 2 || !TYPES.contains(key.get(0))) return;
    if (message.value() == null) {
      state.remove(message.key());
      return;
    }
    GenericRecord change = decode(message.value());
    // A deleted record has none; the null that follows says the same. Whatever else there is, is the new state.
    Object after = change.get("after");
    if (after == null) state.remove(message.key());
    else state.put(message.key(), after.toString());
  }

  /** A zero byte, the schema's id in four bytes, then Avro. */
  GenericRecord decode(byte[] value) throws Exception {
    int id = ByteBuffer.wrap(value).getInt(1);
    if (!schemas.containsKey(id)) {
      HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).build();
      String answer = http.send(request, BodyHandlers.ofString()).body();
      schemas.put(id, new Schema.Parser().parse(json.readTree(answer).get("schema").asText()));
    }
    var decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
    return new GenericDatumReader<GenericRecord>(schemas.get(id)).read(null, decoder);
  }

  Position load(Path file) throws Exception {
    if (!Files.exists(file)) return null;
    List<String> lines = Files.readAllLines(file);
    for (String line : lines.subList(1, lines.size())) {
      String[] parts = line.split("\t", 2);
      state.put(parts[0], parts[1]);
    }
    String[] parts = lines.get(0).split("\t");
    return new Position(parts[0], Long.parseLong(parts[1]), Instant.ofEpochSecond(Long.parseLong(parts[2])));
  }

  /** State and position in one step: both or neither. */
  void save(Path file, Position position) throws Exception {
    List<String> lines = new ArrayList<>();
    lines.add(position.generation() + "\t" + position.next() + "\t" + position.atEnd().getEpochSecond());
    state.forEach((key, value) -> lines.add(key + "\t" + value));
    Path half = Path.of(file + ".new");
    Files.write(half, lines);
    Files.move(half, file, StandardCopyOption.ATOMIC_MOVE);
  }
}
