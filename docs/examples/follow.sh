#!/bin/sh
# Follows a compacted topic of Rollcall with kcat: reads from where it was to the end, and keeps which keys there are, each
# with the offset of its last record, and its position in one file. Run it as often as you like; docs/subscribing.md has
# the rules. It looks at keys, nulls and headers only; builds of kcat that know Avro (Debian's does not) show values with
# `-s value=avro -r http://registry`.
#
#   follow.sh 127.0.0.1:9092 roster.springfield state.tsv
set -eu
brokers=$1 topic=$2 state=$3
longest_away=$((36 * 24 * 60 * 60))
tab=$(printf '\t')

# No group, and an offset that is not there is an error: the client chooses none.
read_from() {
  kcat -C -b "$brokers" -t "$topic" -p 0 -e -X auto.offset.reset=error "$@"
}
# Lines such as `roster.springfield [0] offset 42`.
end_of() {
  kcat -Q -b "$brokers" -t "$topic:0:$1" | awk '{ print $NF }'
}

now=$(date +%s)
start=$(end_of -2)
end=$(end_of -1)
# Every record names the generation of its topic, as `generation=...` among the headers.
generation=$(read_from -o "$start" -c 1 -f '%h\n' 2>/dev/null | tr ',' '\n' | sed -n 's/^generation=//p')

reason=
if [ ! -f "$state" ]; then
  reason='nothing was read yet'
else
  IFS=$tab read -r was next at_end <"$state"
  if [ "$was" != "$generation" ]; then
    reason='the topic was made again'
  elif [ "$next" -lt "$start" ] || [ "$next" -gt "$end" ]; then
    reason='the position is outside the log'
  elif [ $((now - at_end)) -gt $longest_away ]; then
    reason='away for too long'
  fi
fi
if [ -n "$reason" ]; then
  echo "starting over: $reason"
  next=$start
fi

# What is new: everything up to the end, or nothing at all.
news=$state.news half=$state.half
trap 'rm -f "$news" "$news.log" "$half"' EXIT
: >"$news"
if [ "$next" -lt "$end" ]; then
  read_from -o "$next" -f '%k\t%o\t%S\t%h\n' >"$news" 2>"$news.log"
  grep -q 'Reached end of topic' "$news.log" || { cat "$news.log" >&2; exit 1; }
fi

# What was known, unless this starts over, then what is new. Keys are JSON without control characters, so that a tab parts
# them from the rest. A length of -1 is a null: the key is gone. Keys of one part (writers, changesets) and of three
# (aliases) are skipped.
{
  if [ -z "$reason" ]; then tail -n +2 "$state"; fi
  cat "$news"
} | awk -F '\t' -v OFS='\t' -v generation="$generation" -v end="$end" -v now="$now" '
  NF > 2 && $2 >= end { next }
  NF > 2 && index("," $4 ",", ",generation=" generation ",") == 0 { exit again = 1 }
  $1 !~ /^\["[^"]*","([^"\\]|\\.)*"\]$/ { next }
  $3 == -1 { delete last[$1]; next }
  { last[$1] = $2 }
  END {
    if (again) { print "the topic was made again: run once more" | "cat >&2"; exit 1 }
    print generation, end, now
    for (key in last) print key, last[key]
  }' >"$half"
mv "$half" "$state"
