import argparse
import collections
import re
import sys


def count_words(lines):
    counter = collections.Counter()
    for line in lines:
        counter.update(re.findall(r"[a-z']+", line.lower()))
    return counter


def main():
    parser = argparse.ArgumentParser(description="Count the words of a text.")
    parser.add_argument("file", nargs="?", help="the file to read, or standard input")
    parser.add_argument("-n", "--top", type=int, default=10)
    args = parser.parse_args()
    if args.file:
        with open(args.file, encoding="utf-8") as stream:
            counter = count_words(stream)
    else:
        counter = count_words(sys.stdin)
    for word, count in counter.most_common(args.top):
        print(f"{count:6d} {word}")


if __name__ == "__main__":
    main()
