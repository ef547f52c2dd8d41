// Send one file of records to a Yizhan node and print the verdict on each. Java 11 or newer, nothing else.
//
//     YIZHAN_KEY_FILE=key.txt java SendRecords.java http://127.0.0.1:8440 first-case.xml
//
// The key of the source comes from YIZHAN_KEY or from the file YIZHAN_KEY_FILE, never from an argument. A third
// argument is the query, for a dialect or for a table without a column of types: "dialect=NAME", "type=Acceptance".
// Leaves with 0 (all accepted or repeated), 9 (some refused), 1 (nothing usable), 2 (mistake in the call), 5 (key
// refused), 6 (node not reached or busy).

import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class SendRecords {
    static final Map<String, String> TYPES =
            Map.of("xml", "application/xml", "json", "application/json", "csv", "text/csv",
                    "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    static final int TRIES = 5;
    static final Pattern VERDICT = Pattern.compile(
            "\"verdict\": \"(\\w+)\", \"record_type\": \"(\\w*)\", \"key\": \"([^\"]*)\""
                    + "|\"row\": (\\w+), \"line\": (\\w+), [^{}]*?\"rule\": \"([^\"]*)\", \"text\": \"((?:[^\"\\\\]|\\\\.)*)\"");

    public static void main(String[] arguments) throws Exception {
        String key = System.getenv("YIZHAN_KEY");
        String keyFile = System.getenv("YIZHAN_KEY_FILE");
        if (arguments.length < 2 || (key == null && keyFile == null)) {
            System.err.println("YIZHAN_KEY_FILE=key.txt java SendRecords.java NODE FILE [QUERY]");
            System.exit(2);
        }
        if (key == null) key = Files.readString(Path.of(keyFile));
        String query = arguments.length > 2 ? arguments[2] : "";
        String ending = arguments[1].substring(arguments[1].lastIndexOf('.') + 1).toLowerCase();
        URI address = URI.create(arguments[0].replaceAll("/$", "") + "/api/v1/records?" + query);
        HttpRequest request = HttpRequest.newBuilder(address).timeout(Duration.ofSeconds(60))
                .header("Authorization", "Bearer " + key.strip())
                .header("Content-Type", TYPES.getOrDefault(ending, "application/octet-stream"))
                .header("Idempotency-Key", UUID.randomUUID().toString())
                .POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[1]))).build();
        System.exit(report(send(request)));
    }

    /** Sends a request, the very same one again while the node is busy or not there; null when it stays so. */
    static HttpResponse<String> send(HttpRequest request) throws InterruptedException {
        HttpClient client = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NEVER).build();
        for (int tries = 0; tries < TRIES; tries++) {
            long waitSeconds = 1L << tries;
            try {
                HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
                if (answer.statusCode() != 429 && answer.statusCode() != 503) return answer;
                waitSeconds = answer.headers().firstValueAsLong("Retry-After").orElse(waitSeconds);
            } catch (IOException error) {
                System.err.println(error);
            }
            Thread.sleep(waitSeconds * 1000);
        }
        return null;
    }

    static int report(HttpResponse<String> answer) throws Exception {
        if (answer == null) return 6;
        if (!answer.body().contains("\"verdicts\"")) {
            System.err.println(answer.body());
            return answer.statusCode() == 401 ? 5 : 1;
        }
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        Matcher found = VERDICT.matcher(answer.body().substring(answer.body().indexOf("\"verdicts\"")));
        while (found.find()) {
            if (found.group(1) != null) out.println(found.group(1) + " " + found.group(2) + " " + found.group(3));
            else out.println("    row " + found.group(4) + " line " + found.group(5) + " " + found.group(6) + " " + found.group(7));
        }
        return answer.statusCode() == 422 ? 1 : answer.body().contains("\"refused\": 0,") ? 0 : 9;
    }
}
