#!/usr/bin/env bash
# The test suites that crates made for tokio carry in their packages, run on loxley.
#
#   ./suites.sh [crate...]        all of them without a name
#
# Each package is copied out of cargo's registry as it was published, made a workspace of its own with the lines of
# docs/drop-in.md and this workspace's lock file, and tested: unit tests and tests/, not the examples in the docs.
# Prints one line per crate, and under it each test that failed; the whole output is in target/suites/<crate>.log.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/target}
export CARGO_TERM_COLOR=never
# For the tests of one crate, once they have been built. Only a test that hangs takes so long.
limit=900

# crate | arguments for cargo | arguments for the tests
# h2: without the tests that read files which are not in the package.
suites='
tokio-util         | --features full |
tokio-stream       | --features full |
tokio-test         | |
hyper-util         | --features full |
hyper              | --features full |
h2                 | | --skip hpack::test::fixture
tower              | --features full |
tower-http         | --features full |
axum               | --features __private,http2,macros,multipart,ws |
tokio-tungstenite  | --features connect,handshake,stream |
tokio-postgres     | --lib |
tonic              | |
quinn              | |
redis              | --lib --features aio,tokio-comp |
reqwest            | |
'

# Not among the packages of this workspace: each has a workspace of its own.
scratch=$CARGO_TARGET_DIR/suites
mkdir -p "$scratch"

version() { # crate: its version in our lock file
  grep -A1 "^name = \"$1\"\$" Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p' | tail -1
}

# The package as it was published, and what it needs to stand alone.
workspace() { # crate
  local version package
  version=$(version "$1")
  package=$(echo "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$1-$version")
  [ -d "$package" ] || { echo "$1 $version is not in cargo's registry" >&2; return 1; }
  rm -rf "${scratch:?}/$1"
  cp -r "$package" "$scratch/$1"
  cp Cargo.lock "$scratch/$1/Cargo.lock"
  # Dev-dependencies that name a path alone are cut out when a package is published.
  case $1 in
    axum)
      printf '\n[dev-dependencies.axum-macros]\nversion = "0.5"\nfeatures = ["__private"]\n'
      ;;
    tower-http)
      # Its tests serve this file, which they look for above the package.
      cp "$scratch/$1/README.md" "$scratch"
      ;;
  esac >>"$scratch/$1/Cargo.toml"
  {
    # The same profile as in this workspace, so that what both need is built once.
    sed -n '/^\[profile.dev/,/^$/p' Cargo.toml
    printf '[workspace]\n[patch.crates-io]\n'
    # Dev-dependencies that depend on the crate shall take this one.
    printf '%s = { path = "." }\n' "$1"
    printf 'tokio = { path = "%s" }\n' "$here/../crates/tokio"
  } >>"$scratch/$1/Cargo.toml"
}

# Cargo only warns when it takes the real tokio.
is_what_it_claims() { # crate, arguments for cargo
  local tree
  # shellcheck disable=SC2086
  tree=$(cargo tree --quiet --manifest-path "$scratch/$1/Cargo.toml" $2 -i tokio --depth 0)
  [[ $tree = 'tokio v1.999.0 ('* ]] || { echo "$1 has another tokio: $tree" >&2; return 1; }
  [ "$(grep -c '^name = "tokio"$' "$scratch/$1/Cargo.lock")" = 1 ] || { echo "$1 has two of them" >&2; return 1; }
}

suite() { # crate, arguments for cargo, arguments for the tests
  local log=$scratch/$1.log status=0 arguments
  read -ra arguments <<<"$2"
  # What stands in tests/ is run as well, unless it needs what is not here.
  [[ $2 = *--lib* ]] || arguments+=(--tests)
  workspace "$1"
  is_what_it_claims "$1" "${2/--lib/}"
  local test=(cargo test --quiet --manifest-path "$scratch/$1/Cargo.toml" "${arguments[@]}")
  if ! "${test[@]}" --no-run >"$log" 2>&1; then
    echo "$1 $(version "$1"): does not build, see $log"
    return
  fi
  # Without --quiet each test has a line of its own.
  unset 'test[2]'
  # shellcheck disable=SC2086
  timeout "$limit" "${test[@]}" --no-fail-fast -- $3 >"$log" 2>&1 || status=$?
  [ "$status" -ne 124 ] || echo "$1: not at its end after $limit seconds"
  sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored.*/\1 \2 \3/p' "$log" |
    awk -v name="$1 $(version "$1")" '{ passed += $1; failed += $2; ignored += $3 }
      END { printf "%-26s %4d passed %4d failed %4d ignored\n", name, passed, failed, ignored }'
  grep -E '^test .* \.\.\. FAILED|^error: test failed|SIG[A-Z]+' "$log" | sed 's/^/    /' || true
}

while IFS='|' read -r name arguments tests; do
  # Without the blanks around them.
  read -r name <<<"$name"
  read -r arguments <<<"$arguments"
  [ -n "$name" ] || continue
  [ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
  suite "$name" "$arguments" "$tests" </dev/null
done <<<"$suites"
