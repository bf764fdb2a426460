//! Questions to a driver. Each goes from the process of the check to the one that compares as a line on
//! standard error, at once: it is known even if the driver then ends the process, and a forked child writes as its
//! parent does.

use std::fmt::Display;
use std::io::Write;

const MARK: &str = "question";

#[derive(Default)]
pub struct Questions {
    /// Written before every question.
    prefix: String,
}

/// A question with the result that was expected and the one that came.
pub struct Observation {
    pub question: String,
    pub expected: String,
    pub result: String,
}

impl Questions {
    pub fn ask(&self, question: impl Display, expected: impl Display, result: impl Display) {
        let prefix = &self.prefix;
        let line = format!("{MARK}\t{prefix}{question}\t{expected}\t{result}\n");
        // One write, so that lines of several processes do not mix.
        std::io::stderr().write_all(line.as_bytes()).expect("the other process is there");
    }

    /// Whether something holds.
    pub fn holds(&self, question: impl Display, result: bool) {
        self.ask(question, "yes", if result { "yes" } else { "no" });
    }

    /// The same, for somebody else: the questions begin with the name.
    pub fn of(&self, name: impl Display) -> Self {
        Self { prefix: format!("{}{name}: ", self.prefix) }
    }
}

impl Observation {
    /// Every question in what a process wrote.
    pub fn read(output: &str) -> Vec<Self> {
        let parse = |line: &str| {
            let mut fields = line.strip_prefix(MARK)?.strip_prefix('\t')?.split('\t');
            let mut field = || fields.next().map(str::to_owned);
            Some(Self { question: field()?, expected: field()?, result: field()? })
        };
        let seen: Vec<Self> = output.lines().filter_map(parse).collect();
        for (index, one) in seen.iter().enumerate() {
            let again = seen[..index].iter().any(|other| other.question == one.question);
            assert!(!again, "{} is there twice", one.question);
        }
        seen
    }
}
