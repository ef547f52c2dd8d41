// Send one file of records to a Yizhan node and print its answer. Java 11 or newer; README.md has the exit codes.
// YIZHAN_KEY_FILE=key.txt java SendRecords.java http://127.0.0.1:8440 first-case.xml [QUERY]
import java.net.http.*;
import java.nio.file.*;
import java.util.*;
public class SendRecords {
    public static void main(String[] args) throws Exception {
        String key = System.getenv("YIZHAN_KEY"), keyFile = System.getenv("YIZHAN_KEY_FILE"), said = "";
        if (args.length < 2 || key == null && keyFile == null) {
            System.err.println("YIZHAN_KEY_FILE=key.txt java SendRecords.java NODE FILE [QUERY]");
            System.exit(2);
        }
        String query = args.length > 2 ? args[2] : "", ending = args[1].replaceAll(".*\\.", "").toLowerCase(Locale.ROOT);
        String type = Map.of("xml", "application/xml", "json", "application/json", "csv", "text/csv", "xlsx",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet").getOrDefault(ending, "text/plain");
        byte[] body = Files.readAllBytes(Path.of(args[1]));
        var request = HttpRequest.newBuilder(java.net.URI.create(args[0].replaceAll("/$", "") + "/api/v1/records?" + query))
                .header("Authorization", "Bearer " + (key != null ? key : Files.readString(Path.of(keyFile))).strip())
                .headers("Content-Type", type, "Idempotency-Key", UUID.randomUUID().toString())
                .timeout(java.time.Duration.ofMinutes(1)).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
        int status = 503; // The very same request goes again while the node is busy or not there.
        for (long wait = 0, next = 1; next <= 32 && (status == 429 || status == 503); next *= 2) try {
            Thread.sleep(1000 * wait);
            var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
            wait = answer.headers().firstValueAsLong("Retry-After").orElse(next);
            said = answer.body();
            status = answer.statusCode();
        } catch (java.io.IOException error) { wait = next; said = error.toString(); }
        new java.io.PrintStream(System.out, true, "UTF-8").println(said);
        System.exit(Map.of(200, said.contains("\"refused\": 0,") ? 0 : 9, 401, 5, 429, 6, 503, 6).getOrDefault(status, 1));
    }
}
