#!/usr/bin/env bash
# A release build guided by a profile of the benchmark's load: `bash bench/pgo.sh [TARGET_FOLDER]`.
# Needs the profile tool of the compiler's own LLVM (`rustup component add llvm-tools`, or LLVM_PROFDATA=PATH), nginx, wrk and h2load.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${1:-target/pgo}")
host=$(rustc -vV | sed -n 's/^host: //p')
profdata=${LLVM_PROFDATA:-$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata}
raw=$target/raw
profile=$target/cofferdam.profdata

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

[ -x "$profdata" ] || { echo "$profdata is missing: rustup component add llvm-tools" >&2; exit 1; }
for program in nginx wrk h2load; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || { echo "$program is missing: it makes the load" >&2; exit 1; }
done

# With --target, flags are not those of build scripts and macros, which would write profiles of their own.
build() { RUSTFLAGS=$1 cargo build --locked --release --target "$host" --target-dir "$target/$2"; }

step "a build that counts"
rm -rf "$raw"
build "-Cprofile-generate=$raw" counting

step "the load"
LLVM_PROFILE_FILE="$raw/%p-%m.profraw" cargo bench --locked --profile dev --bench proxies -- \
    --peers cofferdam --rounds 1 --seconds 2 --program "$target/counting/$host/release/cofferdam" \
    --case "1w 32c" --case "2w 256c 10KiB"

step "the profile"
"$profdata" merge --output="$profile" "$raw"/*.profraw

step "a build that knows"
build "-Cprofile-use=$profile" guided

step "done"
echo "$target/guided/$host/release/cofferdam"
