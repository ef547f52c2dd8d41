#!/bin/sh
# Send one file of records to a Yizhan node and print its answer. curl 7.71 or newer; README.md has the exit codes.
# YIZHAN_KEY_FILE=key.txt sh send_records.sh http://127.0.0.1:8440 first-case.xml [QUERY]
set -eu
if [ $# -lt 2 ] || [ -z "${YIZHAN_KEY-}${YIZHAN_KEY_FILE-}" ]; then
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
key=$(printf %s "${YIZHAN_KEY-$(cat "$YIZHAN_KEY_FILE")}" | tr -d ' \r\n')
once=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
# The key goes by standard input: everybody on the machine can see what stands behind a command. While the node is busy
# (429, 503) or not there, curl waits as Retry-After says and sends the very same request again.
status=$(printf 'header = "Authorization: Bearer %s"\n' "$key" |
    curl --config - --silent --show-error --max-time 60 --retry 5 --retry-connrefused --output "$answer" \
        --write-out '%{http_code}' --header "Content-Type: $type" --header "Idempotency-Key: $once" \
        --data-binary "@$2" "${1%/}/api/v1/records?${3-}") || exit 6
cat "$answer" && echo
case $status in
    200) grep -q '"refused": 0,' "$answer" || exit 9 ;;
    401) exit 5 ;;
    429 | 503) exit 6 ;;
    *) exit 1 ;;
esac
