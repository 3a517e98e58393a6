#!/usr/bin/env bash
# The axum program src/bin/serve.rs on real tokio and on loxley under wrk, in turns.
#
#   ./compare.sh build                     both of them, alike: two manifests that differ by the patch alone
#   ./compare.sh run [rounds] [seconds]    5 rounds of 10 seconds
#
# Quiet: `GET /` on 64 connections. Blocking: the same, while a handler blocks its thread for 100 ms of every 300.
# Prints one line per run, then the medians. Needs wrk (Debian's package), and a machine that does nothing else: so `run`
# calls no cargo, and each run looks at the names of the server's threads to be sure which of the two it is.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
programs=$here/target/compare
mkdir -p "$programs"

build() { # runtime, the beginning of what `cargo tree` shows, lines for the manifest
  local workspace=$programs/$1 tree
  mkdir -p "$workspace"
  cat >"$workspace/Cargo.toml" <<TOML
[workspace]
[package]
name = "serve"
version = "0.0.0"
edition = "2024"
[[bin]]
name = "serve"
path = "$here/src/bin/serve.rs"
[dependencies]
axum = "0.8"
tokio = { version = "1", features = ["full"] }
[profile.release]
lto = "thin"
codegen-units = 1
$3
TOML
  # The same versions of everything else.
  cp Cargo.lock "$workspace/Cargo.lock"
  tree=$(cargo tree --quiet --manifest-path "$workspace/Cargo.toml" -i tokio --depth 0)
  [[ $tree = "$2"* ]] || { echo "$1 is built with $tree" >&2; exit 1; }
  cargo build --quiet --release --manifest-path "$workspace/Cargo.toml" --target-dir "$workspace/target"
  echo "$1: ${tree%% (*}, $(cargo tree --quiet --manifest-path "$workspace/Cargo.toml" -p axum --depth 0)"
}

case ${1:-} in
  build)
    build tokio 'tokio v1.5' '' >"$programs.built"
    build loxley 'tokio v1.999.' "[patch.crates-io]
tokio = { path = \"$here/../crates/tokio\" }" >>"$programs.built"
    git describe --always --dirty >>"$programs.built"
    exec cat "$programs.built"
    ;;
  run) ;;
  *)
    echo 'usage: ./compare.sh build | run [rounds] [seconds]' >&2
    exit 2
    ;;
esac
rounds=${2:-5}
seconds=${3:-10}
connections=64
command -v wrk >/dev/null || { echo 'wrk is missing: apt-get install wrk' >&2; exit 1; }

scratch=$(mktemp -d)
server=''
blocker=''
cleanup() {
  # Whoever has ended by itself needs no signal.
  [ -z "$blocker" ] || kill "$blocker" 2>/dev/null || true
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

cat >"$scratch/report.lua" <<'LUA'
function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("result %d %.0f %.1f %.1f %.1f %.0f %d\n", summary.requests,
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), latency.max, bad))
end
LUA

is_what_it_claims() { # pid, runtime
  local threads
  threads=$(cat "/proc/$1/task/"*/comm)
  case $2:$threads in
    tokio:*loxley-* | loxley:*tokio-*) ;;
    *$2-*) return ;;
  esac
  echo "this is not $2, its threads are" $threads >&2
  exit 1
}

cpu_ticks() { # pid: user and system time of all its threads
  sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

block() { # port: one request that blocks a worker, every 300 ms
  while :; do
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET /block HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n' >&3
    grep -q '200 OK' <&3 && echo >>"$scratch/blocked"
    exec 3>&-
    sleep 0.2
  done
}

measure() { # round mode runtime
  : >"$scratch/port"
  "$programs/$3/target/release/serve" >"$scratch/port" &
  server=$!
  until [ -s "$scratch/port" ]; do sleep 0.05; done
  local port before after result
  port=$(cat "$scratch/port")
  is_what_it_claims "$server" "$3"
  wrk -t1 -c$connections -d1s "http://127.0.0.1:$port/" >/dev/null
  : >"$scratch/blocked"
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
    [ "$(wc -l <"$scratch/blocked")" -ge $((seconds * 2)) ] || { echo 'too few requests have blocked' >&2; exit 1; }
  fi
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=''
  # Of wrk: requests, per second, three percentiles and the maximum in µs, errors.
  awk -v mode="$2" -v runtime="$3" -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" \
    '{ printf "%-9s %-7s %9.0f %9.1f %9.1f %9.1f %9.0f %9.2f %6d\n", mode, runtime, $3, $4, $5, $6, $7, ticks / hz * 1e6 / $2, $8 }' \
    <<<"$result" | tee -a "$scratch/runs"
}

cat "$programs.built"
echo "$(nproc) processors, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(uname -sr); wrk with 1 thread"
header='mode      runtime     req/s    p50 µs    p99 µs  p99.9 µs    max µs    CPU µs errors'
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
    for column in 3 4 5 6 7 8 9; do
      printf ' %9s' "$(median $column <<<"$lines")"
    done
    echo
  done
done
