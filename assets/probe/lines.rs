use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

fn count_lines(path: &str) -> io::Result<usize> {
    let file = File::open(path)?;
    let mut count = 0;
    for line in BufReader::new(file).lines() {
        if !line?.trim().is_empty() {
            count += 1;
        }
    }
    Ok(count)
}

fn main() {
    let mut total = 0;
    for path in env::args().skip(1) {
        match count_lines(&path) {
            Ok(count) => {
                println!("{:8} {}", count, path);
                total += count;
            }
            Err(error) => eprintln!("{}: {}", path, error),
        }
    }
    println!("{:8} total", total);
}
