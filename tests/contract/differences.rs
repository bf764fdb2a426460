//! The list of differences: `differences.txt` beside this file.
//!
//! A line is `drivers | check | question | result | reason`. Drivers are `simulator`, or `nvidia`
//! with the CUDA versions that they report: `nvidia 12.4 to 12.5`, `nvidia to 11.2`, `nvidia 11.4`; and
//! ` with a device` after it if the difference was not seen without one.

use std::collections::BTreeMap;

use super::machine::Probe;
use super::questions::Observation;

const TEXT: &str = include_str!("differences.txt");

pub struct Differences(Vec<Entry>);

/// The entries for one driver, by check and question.
type Listed<'a> = BTreeMap<&'a str, OfCheck<'a>>;
type OfCheck<'a> = BTreeMap<&'a str, &'a Entry>;

pub struct Entry {
    /// Its line in the file.
    pub line: String,
    drivers: Drivers,
    pub check: String,
    pub question: String,
    pub result: String,
}

struct Drivers {
    simulated: bool,
    oldest: i32,
    newest: i32,
    with_a_device: bool,
}

impl Differences {
    pub fn read() -> Self {
        let numbered = (1..).zip(TEXT.lines());
        let lines = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|(number, line)| Entry::parse(number, line)).collect())
    }

    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The entries for this driver, by check and question.
    pub fn of(&self, probe: &Probe) -> Listed<'_> {
        let mut listed: Listed<'_> = BTreeMap::new();
        for entry in self.0.iter().filter(|entry| entry.drivers.include(probe)) {
            let questions = listed.entry(&entry.check).or_default();
            let other = questions.insert(&entry.question, entry);
            assert!(other.is_none(), "{} lists a second result for {probe}", entry.line);
        }
        listed
    }
}

impl Entry {
    fn parse(number: usize, text: &str) -> Self {
        let line = format!("differences.txt, line {number}");
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        let [drivers, check, question, result, reason] = fields[..] else {
            panic!("{line}: there are {} fields, not five", fields.len());
        };
        assert!(!reason.is_empty(), "{line}: every difference has its reason");
        let drivers = Drivers::parse(drivers).unwrap_or_else(|| panic!("{line}: {drivers}?"));
        let [check, question, result] = [check, question, result].map(str::to_owned);
        Self { line, drivers, check, question, result }
    }
}

impl Drivers {
    fn parse(text: &str) -> Option<Self> {
        let (text, with_a_device) = match text.strip_suffix(" with a device") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let versions = match text.strip_prefix("nvidia") {
            None if text == "simulator" => {
                return Some(Self { simulated: true, oldest: 0, newest: i32::MAX, with_a_device });
            }
            versions => versions?.trim(),
        };
        let (oldest, newest) = match versions.split_once("to") {
            _ if versions.is_empty() => (0, i32::MAX),
            None => (version(versions)?, version(versions)?),
            Some(("", newest)) => (0, version(newest)?),
            Some((oldest, "")) => (version(oldest)?, i32::MAX),
            Some((oldest, newest)) => (version(oldest)?, version(newest)?),
        };
        Some(Self { simulated: false, oldest, newest, with_a_device })
    }

    fn include(&self, probe: &Probe) -> bool {
        self.simulated == probe.simulated
            && (self.oldest..=self.newest).contains(&probe.version)
            && (!self.with_a_device || probe.devices > 0)
    }
}

/// How many results differ as listed, and what is wrong otherwise, in words.
pub fn compare(
    check: &str,
    seen: Vec<Observation>,
    mut entries: OfCheck<'_>,
) -> (usize, Vec<String>) {
    let mut differing = 0;
    let mut failures = Vec::new();
    for Observation { question, expected, result } in seen {
        match (entries.remove(question.as_str()), result == expected) {
            (None, true) => {}
            (Some(entry), false) if entry.result == result => differing += 1,
            (Some(entry), false) => failures.push(format!(
                "{check}: {question}: {result} instead of {expected}; {} is listed",
                entry.result
            )),
            (None, false) => {
                failures.push(format!("{check}: {question}: {result} instead of {expected}"))
            }
            (Some(entry), true) => failures.push(format!(
                "{check}: {question}: {result} as expected: the entry in {} is out of date",
                entry.line
            )),
        }
    }
    failures.extend(entries.values().map(|entry| {
        format!("{check}: {}: no such question: the entry in {}", entry.question, entry.line)
    }));
    (differing, failures)
}

/// 12040 for `12.4`.
fn version(text: &str) -> Option<i32> {
    let (major, minor) = text.trim().split_once('.')?;
    Some(major.parse::<i32>().ok()? * 1000 + minor.parse::<i32>().ok()? * 10)
}
