//! The list of functions that a driver lacks although its CUDA version has them: `missing.txt`
//! beside this file, in lines of `CUDA versions | symbol | reason`.

pub struct Missing(Vec<Entry>);

struct Entry {
    line: usize,
    versions: Vec<i32>,
    symbol: &'static str,
}

impl Missing {
    pub fn read() -> Self {
        let lines = (1..).zip(include_str!("missing.txt").lines());
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|(line, text)| Entry::parse(line, text)).collect())
    }

    /// The line that lists the symbol for a driver of this version.
    pub fn of(&self, version: i32, symbol: &str) -> Option<usize> {
        let listed = |entry: &&Entry| entry.symbol == symbol && entry.versions.contains(&version);
        self.0.iter().find(listed).map(|entry| entry.line)
    }
}

impl Entry {
    fn parse(line: usize, text: &'static str) -> Self {
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        let [versions, symbol, reason] = fields[..] else {
            panic!("missing.txt, line {line}: there are {} fields, not three", fields.len());
        };
        assert!(!reason.is_empty(), "missing.txt, line {line}: every entry has its reason");
        let versions = versions.split(' ').map(|version| {
            let (major, minor) = version.split_once('.').expect("a version has a dot");
            let number = |text: &str| text.parse::<i32>().expect("a version is of numbers");
            number(major) * 1000 + number(minor) * 10
        });
        Self { line, versions: versions.collect(), symbol }
    }
}
