//! Good text made bad, in the ways of people, editors and adversaries. The same number always
//! makes the same text.

use super::graphs::GRAPHS;

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough to pick a line.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, 0 where there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What is put in somewhere.
const TOKENS: [&str; 74] = [
    "&a ",
    "*a",
    "!!binary ",
    "!thing ",
    "<<: *a",
    "\n---\n",
    "\n...\n",
    "%YAML 1.2\n",
    "|",
    ">-",
    "? ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    ",",
    "\t",
    "\r",
    "\r\n",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{2028}",
    "\u{85}",
    "\u{200b}",
    "é",
    "e\u{301}",
    "🪢",
    "\u{10ffff}",
    "\u{1b}[31m",
    "{{",
    "}}",
    "{%",
    "%}",
    "{{ n }}",
    "{% if n %}",
    "{% endif %}",
    "{% set n = 1 %}",
    "{% for i in range(100000) %}",
    "~",
    "null",
    "true",
    "no",
    "1e400",
    "-0",
    ".nan",
    "0x7f",
    "99999999999999999999999",
    "-1",
    "0",
    "1_000",
    "'",
    "\\",
    "$ref: '#'",
    "{$ref: '#'}",
    "{allOf: [{$ref: '#'}]}",
    "{pattern: '(a+)+$'}",
    "{pattern: '((a{1,1000}){1,1000}){1,1000}'}",
    "{type: [string, 'null']}",
    "->",
    "a -> b",
    "else: true",
    "max_visits: 2",
    "join: every",
    "when: 'false'",
    "reads: []",
    "writes: x",
    "start: [a]",
    "end: [a]",
];

/// What is put in many times.
const RUNS: [&str; 14] = [
    "-", "- ", "(", "[", "{a: ", "{", "a.", "not ", "+1", "~a", "|e", "  ", "x", "? ",
];

/// A graph that is most likely broken.
pub fn broken(seed: u64) -> String {
    let mut chance = Chance::new(seed);
    let mut text = chance.pick(&GRAPHS).to_owned();
    let gentle = chance.below(2) == 0;
    for _ in 0..=chance.below(5) {
        text = match gentle {
            // Most of these are still YAML, so that what comes after reading is reached.
            true => match chance.below(4) {
                0 => lines(&text, &mut chance),
                1 => values(&text, &mut chance),
                2 => numbers(&text, &mut chance),
                _ => words(&text, &mut chance),
            },
            false => step(text, &mut chance),
        };
        // What doubles and doubles is a matter of the size, which has its own test.
        if text.len() > 200_000 {
            break;
        }
    }
    text
}

fn step(text: String, chance: &mut Chance) -> String {
    match chance.below(16) {
        0..=4 => lines(&text, chance),
        5 => indented(&text, chance),
        6 | 7 => at_a_place(&text, chance, |_, chance| chance.pick(&TOKENS).to_owned()),
        8 => at_a_place(&text, chance, |_, chance| {
            let run = chance.pick(&RUNS);
            run.repeat([3, 70, 700, 5_000][chance.below(4)])
        }),
        9 => without(&text, chance),
        10 | 11 => words(&text, chance),
        12 => values(&text, chance),
        13 => numbers(&text, chance),
        14 => nested(&text, chance),
        _ => bytes(text, chance),
    }
}

/// Lines deleted, doubled, swapped, moved, and taken from another graph.
fn lines(text: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let (one, other) = (chance.below(lines.len()), chance.below(lines.len()));
    match chance.below(5) {
        0 => {
            lines.remove(one);
        }
        1 => lines.insert(one, lines[one]),
        2 => lines.swap(one, other),
        3 => {
            let moved = lines.remove(one);
            lines.insert(other.min(lines.len()), moved);
        }
        _ => {
            let strange: Vec<&str> = chance.pick(&GRAPHS).split('\n').collect();
            lines.insert(one, strange[chance.below(strange.len())]);
        }
    }
    lines.join("\n")
}

fn indented(text: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let one = chance.below(lines.len());
    let count = 1 + chance.below(5);
    let until = (one + chance.below(4)).min(lines.len() - 1);
    let (more, tab) = (chance.below(2) == 0, chance.below(8) == 0);
    for line in &mut lines[one..=until] {
        if tab {
            line.insert(0, '\t');
        } else if more {
            line.insert_str(0, &" ".repeat(count));
        } else {
            let blank = line.len() - line.trim_start_matches(' ').len();
            line.drain(..count.min(blank));
        }
    }
    lines.join("\n")
}

fn place(text: &str, chance: &mut Chance) -> usize {
    let mut at = chance.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn at_a_place(
    text: &str,
    chance: &mut Chance,
    made: impl Fn(&str, &mut Chance) -> String,
) -> String {
    let at = place(text, chance);
    let (before, after) = text.split_at(at);
    format!("{before}{}{after}", made(text, chance))
}

/// A stretch, or all of the rest, left out; or twice, or a hundred times.
fn without(text: &str, chance: &mut Chance) -> String {
    let (a, b) = (place(text, chance), place(text, chance));
    let (a, b) = (a.min(b), a.max(b));
    match chance.below(4) {
        0 => text[..a].to_owned(),
        1 => format!("{}{}", &text[..a], text[a..b].repeat(2) + &text[b..]),
        2 => format!("{}{}{}", &text[..a], text[a..b].repeat(100), &text[b..]),
        _ => format!("{}{}", &text[..a], &text[b..]),
    }
}

/// Where each word of a text begins and ends.
fn spans(text: &str, part: impl Fn(char) -> bool) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| part(*c)) {
        let end = at + c.len_utf8();
        match found.last_mut() {
            Some(last) if last.1 == at => last.1 = end,
            _ => found.push((at, end)),
        }
    }
    found
}

fn replaced(text: &str, (start, end): (usize, usize), with: &str) -> String {
    format!("{}{with}{}", &text[..start], &text[end..])
}

/// One word for another, or misspelt.
fn words(text: &str, chance: &mut Chance) -> String {
    let words = spans(text, |c| c.is_alphanumeric() || c == '_');
    if words.is_empty() {
        return text.to_owned();
    }
    let one = words[chance.below(words.len())];
    let other = words[chance.below(words.len())];
    let other = &text[other.0..other.1];
    match chance.below(4) {
        0 => replaced(text, one, &format!("{}x", &text[one.0..one.1])),
        1 => replaced(text, one, &"x".repeat(chance.below(3_000))),
        // Everywhere, so that names still agree.
        2 => text.replace(&text[one.0..one.1], other),
        _ => replaced(text, one, other),
    }
}

/// What follows a colon is replaced.
fn values(text: &str, chance: &mut Chance) -> String {
    let colons: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
    if colons.is_empty() {
        return text.to_owned();
    }
    let start = colons[chance.below(colons.len())];
    let rest = &text[start..];
    let end = start + rest.find(['\n', ',', '}']).unwrap_or(rest.len());
    replaced(text, (start, end), chance.pick(&TOKENS))
}

fn numbers(text: &str, chance: &mut Chance) -> String {
    let numbers = spans(text, |c| c.is_ascii_digit());
    if numbers.is_empty() {
        return text.to_owned();
    }
    let number = numbers[chance.below(numbers.len())];
    let others = [
        "0",
        "-1",
        "1e308",
        "1e-308",
        "1e309",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775808",
        "0.1",
        "-0.0",
        "00012",
        "1.0",
        "123456789",
    ];
    replaced(text, number, chance.pick(&others))
}

/// A word within a hundred lists or mappings.
fn nested(text: &str, chance: &mut Chance) -> String {
    let words = spans(text, |c| c.is_alphanumeric());
    if words.is_empty() {
        return text.to_owned();
    }
    let word = words[chance.below(words.len())];
    let depth = [1, 10, 60, 100, 3_000][chance.below(5)];
    let (open, close) = [("[", "]"), ("{a: ", "}"), ("(", ")"), ("{{ ", " }}")][chance.below(4)];
    let inner = &text[word.0..word.1];
    replaced(
        text,
        word,
        &format!("{}{inner}{}", open.repeat(depth), close.repeat(depth)),
    )
}

/// Bytes replaced; what is no text any more is read as a program would read it.
fn bytes(text: String, chance: &mut Chance) -> String {
    let mut bytes = text.into_bytes();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = chance.next() as u8;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
