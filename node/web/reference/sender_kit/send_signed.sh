#!/bin/sh
# Send one file of records to a Yizhan node, signed (RFC 9421), and print its answer. curl 7.71, openssl 1.1; README.md.
# YIZHAN_SECRET_FILE=secret.txt sh send_signed.sh http://127.0.0.1:8440 first-case.xml [QUERY]
set -eu
if [ $# -lt 2 ] || [ -z "${YIZHAN_SECRET-}${YIZHAN_SECRET_FILE-}" ]; then
    sed -n 3s/..//p "$0" >&2
    exit 2
fi
case $(printf %s "${2##*.}" | tr '[:upper:]' '[:lower:]') in
    xml) type=application/xml ;;
    json) type=application/json ;;
    csv) type=text/csv ;;
    xlsx) type=application/vnd.openxmlformats-officedocument.spreadsheetml.sheet ;;
    *) type=text/plain ;;
esac
line=$(printf %s "${YIZHAN_SECRET-$(cat "$YIZHAN_SECRET_FILE")}" | tr -d '\r\n')
key_id=${line%% *} secret=${line#* }
url=${1%/}/api/v1/records${3:+?$3}

sha256() { openssl dgst -sha256 -binary; }
base64() { openssl base64 -A; }
random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# HMAC (RFC 2104) from SHA-256 alone: openssl takes the key of an HMAC as an argument, which everybody on the machine can
# see. A secret is shorter than the block of 64 bytes, so it is the key as it stands.
padded() {
    printf %s "$secret" | od -An -v -tu1 | tr -s ' ' '\n' | {
        left=64
        while read -r byte; do
            [ -n "$byte" ] || continue
            printf "\\$(printf %03o $((byte ^ $1)))"
            left=$((left - 1))
        done
        while [ $left -gt 0 ]; do
            printf "\\$(printf %03o "$1")"
            left=$((left - 1))
        done
    }
}
hmac() { { padded 92 && { padded 54 && cat; } | sha256; } | sha256; }

digest="sha-256=:$(sha256 <"$2" | base64):"
once=$(random)
answer=$(mktemp) head=$(mktemp)
trap 'rm -f "$answer" "$head"' EXIT
names='"@method" "@target-uri" "content-digest" "content-type" "idempotency-key"'
wait=0
for next in 1 2 4 8 16 32; do # The same request goes again, signed anew, while the node is busy or not there.
    sleep "$wait"
    params="($names);created=$(date +%s);nonce=\"$(random)\";keyid=\"$key_id\""
    mac=$(printf '"@method": POST\n"@target-uri": %s\n"content-digest": %s\n"content-type": %s\n"idempotency-key": %s\n"@signature-params": %s' \
        "$url" "$digest" "$type" "$once" "$params" | hmac | base64)
    status=$(curl --silent --show-error --max-time 60 --output "$answer" --dump-header "$head" --write-out '%{http_code}' \
        --header "Content-Type: $type" --header "Idempotency-Key: $once" --header "Content-Digest: $digest" \
        --header "Signature-Input: sig=$params" --header "Signature: sig=:$mac:" --data-binary "@$2" "$url") || status=000
    case $status in 000 | 429 | 503) ;; *) break ;; esac
    wait=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\).*/\1/p' "$head")
    wait=${wait:-$next}
done
cat "$answer" && echo
case $status in
    200) grep -q '"refused": 0,' "$answer" || exit 9 ;;
    401) exit 5 ;;
    000 | 429 | 503) exit 6 ;;
    *) exit 1 ;;
esac
