// Send one file of records to a Yizhan node, signed (RFC 9421), and print its answer. Java 11 or newer; README.md.
// YIZHAN_SECRET_FILE=secret.txt java SendSigned.java http://127.0.0.1:8440 first-case.xml [QUERY]
import java.net.http.*;
import java.nio.file.*;
import java.security.*;
import java.util.*;
import java.util.stream.*;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
public class SendSigned {
    static String base64(byte[] bytes) { return Base64.getEncoder().encodeToString(bytes); }

    /** The request with a signature of its own: each try has a time and a nonce. */
    static HttpRequest signed(java.net.URI address, byte[] body, Map<String, String> fields, String[] key) throws Exception {
        var covered = new LinkedHashMap<>(Map.of("@method", "POST"));
        covered.put("@target-uri", address.toString());
        covered.putAll(fields);
        String names = covered.keySet().stream().map(name -> '"' + name + '"').collect(Collectors.joining(" "));
        byte[] nonce = new byte[18];
        new SecureRandom().nextBytes(nonce);
        String params = "(" + names + ");created=" + System.currentTimeMillis() / 1000 + ";nonce=\"" + base64(nonce)
                + "\";keyid=\"" + key[0] + '"';
        covered.put("@signature-params", params);
        String base = covered.entrySet().stream().map(one -> '"' + one.getKey() + "\": " + one.getValue())
                .collect(Collectors.joining("\n"));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key[1].getBytes("US-ASCII"), "HmacSHA256"));
        var request = HttpRequest.newBuilder(address).timeout(java.time.Duration.ofMinutes(1))
                .header("Signature-Input", "sig=" + params)
                .header("Signature", "sig=:" + base64(mac.doFinal(base.getBytes("US-ASCII"))) + ":");
        fields.forEach(request::header);
        return request.POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
    }

    public static void main(String[] args) throws Exception {
        String secret = System.getenv("YIZHAN_SECRET"), secretFile = System.getenv("YIZHAN_SECRET_FILE"), said = "";
        if (args.length < 2 || secret == null && secretFile == null) {
            System.err.println("YIZHAN_SECRET_FILE=secret.txt java SendSigned.java NODE FILE [QUERY]");
            System.exit(2);
        }
        String[] key = (secret != null ? secret : Files.readString(Path.of(secretFile))).strip().split(" ");
        String query = args.length > 2 ? "?" + args[2] : "", ending = args[1].replaceAll(".*\\.", "").toLowerCase(Locale.ROOT);
        String type = Map.of("xml", "application/xml", "json", "application/json", "csv", "text/csv", "xlsx",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet").getOrDefault(ending, "text/plain");
        byte[] body = Files.readAllBytes(Path.of(args[1]));
        var address = java.net.URI.create(args[0].replaceAll("/$", "") + "/api/v1/records" + query);
        var fields = new LinkedHashMap<String, String>();
        fields.put("content-digest", "sha-256=:" + base64(MessageDigest.getInstance("SHA-256").digest(body)) + ":");
        fields.put("content-type", type);
        fields.put("idempotency-key", UUID.randomUUID().toString());
        int status = 503; // The same request goes again, signed anew, while the node is busy or not there.
        for (long wait = 0, next = 1; next <= 32 && (status == 429 || status == 503); next *= 2) try {
            Thread.sleep(1000 * wait);
            var request = signed(address, body, fields, key);
            var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
            wait = answer.headers().firstValueAsLong("Retry-After").orElse(next);
            said = answer.body();
            status = answer.statusCode();
        } catch (java.io.IOException error) { wait = next; said = error.toString(); }
        new java.io.PrintStream(System.out, true, "UTF-8").println(said);
        System.exit(Map.of(200, said.contains("\"refused\": 0,") ? 0 : 9, 401, 5, 429, 6, 503, 6).getOrDefault(status, 1));
    }
}
