//! Stands between a host and a server, and does to their messages what a bad line would.
//!
//! Garbling makes messages unreadable and never other messages: MCP carries no checksum, and
//! nobody could tell.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::chance::Chance;

/// One message in so many meets with something.
const TROUBLE: usize = 40;

pub fn run(seed: u64, arguments: &[&str]) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let output = child.stdout.take().unwrap();
    let child = Arc::new(Mutex::new(child));
    // Another fate after every restart.
    let seed = seed.wrapping_add(u64::from(std::process::id()));
    let there = {
        let child = Arc::clone(&child);
        std::thread::spawn(move || carry(std::io::stdin(), input, Chance::new(seed), &child))
    };
    carry(output, std::io::stdout(), Chance::new(!seed), &child);
    let _ = child.lock().unwrap().kill();
    drop(there);
    std::process::exit(0);
}

fn carry(
    from: impl Read,
    to: impl Write + Send + 'static,
    mut chance: Chance,
    child: &Arc<Mutex<Child>>,
) {
    let to = Arc::new(Mutex::new(to));
    for line in BufReader::new(from).split(b'\n') {
        let Ok(mut line) = line else { break };
        line.push(b'\n');
        if chance.below(TROUBLE) > 0 {
            send(&to, &line);
            continue;
        }
        match chance.below(13) {
            0 | 1 => {}
            2..=4 => {
                let wait = Duration::from_millis(chance.below(800) as u64);
                let to = Arc::clone(&to);
                // Those behind it overtake.
                std::thread::spawn(move || {
                    std::thread::sleep(wait);
                    send(&to, &line);
                });
            }
            5..=7 => {
                send(&to, &line);
                send(&to, &line);
            }
            8 | 9 => {
                line.truncate(chance.below(line.len()));
                // With and without an end: the next message may become part of it.
                if chance.below(2) == 0 {
                    line.push(b'\n');
                }
                send(&to, &line);
            }
            10 | 11 => {
                let place = chance.below(line.len() - 1);
                line[place] = [0x00, 0xff, 0x1b][chance.below(3)];
                send(&to, &line);
            }
            _ => {
                let _ = child.lock().unwrap().kill();
            }
        }
    }
}

fn send(to: &Arc<Mutex<impl Write>>, bytes: &[u8]) {
    let mut to = to.lock().unwrap();
    // The other end may be gone.
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}
