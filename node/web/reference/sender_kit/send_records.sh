#!/bin/sh
# Send one file of records to a Yizhan node and print the verdict on each. Needs curl 7.71 or newer.
#
#     YIZHAN_KEY_FILE=key.txt sh send_records.sh http://127.0.0.1:8440 first-case.xml
#
# The key of the source comes from YIZHAN_KEY or from the file YIZHAN_KEY_FILE, never from an argument. A third argument
# is the query, for a dialect or for a table without a column of types: "dialect=NAME", "type=Acceptance".
# Leaves with 0 (all accepted or repeated), 9 (some refused), 1 (nothing usable), 2 (mistake in the call), 5 (key
# refused), 6 (node not reached or busy).
set -eu

if [ $# -lt 2 ] || [ -z "${YIZHAN_KEY-}${YIZHAN_KEY_FILE-}" ]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
case $2 in
    *.xml) type=application/xml ;;
    *.json) type=application/json ;;
    *.csv) type=text/csv ;;
    *.xlsx) type=application/vnd.openxmlformats-officedocument.spreadsheetml.sheet ;;
    *) type=application/octet-stream ;;
esac
key=$(printf %s "${YIZHAN_KEY-$(cat "$YIZHAN_KEY_FILE")}" | tr -d ' \r\n')
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
once=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# The key goes by standard input: what stands behind a command can be seen by everybody on the machine. While the node
# is busy (429, 503) or not there, curl waits as Retry-After says and sends the very same request again.
status=$(printf 'header = "Authorization: Bearer %s"\n' "$key" |
    curl --config - --silent --show-error --max-time 60 --retry 5 --retry-connrefused --output "$answer" \
        --write-out '%{http_code}' --header "Content-Type: $type" --header "Idempotency-Key: $once" \
        --data-binary "@$2" "${1%/}/api/v1/records?${3-}") || exit 6

# A line for each object of the verdicts; a brace within a text is followed by no bare quotation mark. The problems of
# all records together stand in front of the verdicts, and would be told twice.
{ sed -e 's/^.*"verdicts": //' -e 's/{"/\
"/g' "$answer"; echo; } | sed -n \
    -e 's/^"verdict": "\([a-z]*\)", "record_type": "\([A-Za-z]*\)", "key": "\([^"]*\)".*/\1 \2 \3/p' \
    -e 's/^"row": \([^,]*\), "line": \([^,]*\), .*"rule": "\([^"]*\)", "text": "\(.*\)"}.*/    row \1 line \2 \3 \4/p'
case $status in
    200) if grep -q '"refused": 0,' "$answer"; then exit 0; else exit 9; fi ;;
    401) code=5 ;;
    429 | 503) code=6 ;;
    *) code=1 ;;
esac
grep -q '"verdicts"' "$answer" || { cat "$answer"; echo; } >&2
exit "$code"
