#!/usr/bin/env bash
set -euo pipefail

host="localhost"
port="8080"
timeout=30

while getopts "h:p:t:" option; do
    case "$option" in
        h) host="$OPTARG" ;;
        p) port="$OPTARG" ;;
        t) timeout="$OPTARG" ;;
        *) echo "usage: $0 [-h host] [-p port] [-t seconds]" >&2; exit 2 ;;
    esac
done

for ((second = 0; second < timeout; second++)); do
    if (echo > "/dev/tcp/$host/$port") 2> /dev/null; then
        echo "port $port is open"
        exit 0
    fi
    sleep 1
done

echo "port $port did not open within $timeout seconds" >&2
exit 1
