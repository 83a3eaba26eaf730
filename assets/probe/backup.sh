#!/bin/sh
# Copy a directory into a dated archive and keep the last seven.
set -eu

source_dir=${1:?usage: backup.sh SOURCE TARGET}
target_dir=${2:?usage: backup.sh SOURCE TARGET}
keep=7

if [ ! -d "$source_dir" ]; then
    echo "$source_dir is not a directory" >&2
    exit 1
fi

mkdir -p "$target_dir"
archive="$target_dir/backup-$(date +%Y-%m-%d).tar.gz"
tar -czf "$archive" -C "$source_dir" .
echo "wrote $archive"

count=0
for old in $(ls -1t "$target_dir"/backup-*.tar.gz); do
    count=$((count + 1))
    if [ "$count" -gt "$keep" ]; then
        rm -- "$old"
    fi
done
