#!/usr/bin/env bash
# The axum program src/bin/serve.rs on real tokio and on loxley under wrk, in turns.
#
#   ./compare.sh [rounds] [seconds]        5 rounds of 10 seconds
#
# Quiet: `GET /` on 64 connections. Blocking: the same, while a handler blocks its thread for 100 ms of every 300.
# Prints one line per run, then the medians. Needs wrk (Debian's package), and a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5}
seconds=${2:-10}
connections=64
command -v wrk >/dev/null || { echo 'wrk is missing: apt-get install wrk' >&2; exit 1; }

# Real tokio: the same file and the same versions, without the patch.
real=target/compare
mkdir -p "$real"
cat >"$real/Cargo.toml" <<TOML
[workspace]
[package]
name = "serve"
version = "0.0.0"
edition = "2024"
[[bin]]
name = "serve"
path = "../../src/bin/serve.rs"
[dependencies]
axum = { version = "0.8", features = ["ws"] }
tokio = { version = "1", features = ["full"] }
[profile.release]
lto = "thin"
codegen-units = 1
TOML
cp Cargo.lock "$real/Cargo.lock"
cargo build --quiet --release --manifest-path "$real/Cargo.toml"
cargo build --quiet --release --locked --bin serve
grep -A1 '^name = "tokio"$' "$real/Cargo.lock" | grep -q '"1\.999' && { echo 'the real one is not real' >&2; exit 1; }
declare -A programs=([tokio]=$real/target/release/serve [loxley]=target/release/serve)

scratch=$(mktemp -d)
server=''
blocker=''
cleanup() {
  [ -z "$blocker" ] || kill "$blocker" 2>/dev/null || true
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

cat >"$scratch/report.lua" <<'LUA'
function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("result %d %.0f %.1f %.1f %.1f %d\n", summary.requests,
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), bad))
end
LUA

cpu_ticks() { # pid: user and system time of all its threads
  sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

block() { # port: one request that blocks a worker, every 300 ms
  while :; do
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET /block HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n' >&3
    cat <&3 >/dev/null
    exec 3>&-
    sleep 0.2
  done
}

measure() { # round mode runtime
  : >"$scratch/port"
  "${programs[$3]}" >"$scratch/port" &
  server=$!
  until [ -s "$scratch/port" ]; do sleep 0.05; done
  local port before after result
  port=$(cat "$scratch/port")
  wrk -t1 -c$connections -d1s "http://127.0.0.1:$port/" >/dev/null
  if [ "$2" = blocking ]; then
    block "$port" 2>/dev/null &
    blocker=$!
  fi
  before=$(cpu_ticks "$server")
  result=$(wrk -t1 -c$connections -d"${seconds}s" -s "$scratch/report.lua" "http://127.0.0.1:$port/" | grep '^result ')
  after=$(cpu_ticks "$server")
  if [ -n "$blocker" ]; then
    kill "$blocker"
    wait "$blocker" 2>/dev/null || true
    blocker=''
  fi
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=''
  # requests, per second, three percentiles in µs, errors; and CPU time per request in µs.
  awk -v mode="$2" -v runtime="$3" -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" \
    '{ printf "%-9s %-7s %9.0f %9.1f %9.1f %9.1f %9.2f %6d\n", mode, runtime, $3, $4, $5, $6, ticks / hz * 1e6 / $2, $7 }' \
    <<<"$result" | tee -a "$scratch/runs"
}

header='mode      runtime     req/s    p50 µs    p99 µs  p99.9 µs    CPU µs errors'
echo "$header"
for ((round = 0; round < rounds; round++)); do
  order=(tokio loxley)
  ((round % 2)) && order=(loxley tokio)
  for mode in quiet blocking; do
    for runtime in "${order[@]}"; do
      measure "$round" "$mode" "$runtime"
    done
  done
done

median() { # column, of the lines on standard input
  awk -v column="$1" '{ print $column }' | sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}
printf '\nmedians of %d\n%s\n' "$rounds" "$header"
for mode in quiet blocking; do
  for runtime in tokio loxley; do
    lines=$(grep "^$mode *$runtime " "$scratch/runs")
    printf '%-9s %-7s' "$mode" "$runtime"
    for column in 3 4 5 6 7 8; do
      printf ' %9s' "$(median $column <<<"$lines")"
    done
    echo
  done
done
