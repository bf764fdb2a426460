//! Processes that did the same are shown together.

use super::line::{Line, list};

const NAMED_PROCESSES: usize = 16;

pub struct Block {
    /// Who they are, such as `4711 (LOCAL_RANK=1)`.
    pub who: Vec<String>,
    /// The first line: what comes before the processes, and what comes after them.
    pub heading: (Line, String),
    /// What the first of them did.
    pub body: Vec<Line>,
}

impl Block {
    /// What is equal in processes that did the same.
    fn key(&self) -> Vec<String> {
        let (before, after) = &self.heading;
        let body = self.body.iter().map(Line::key);
        [before.key(), after.clone()].into_iter().chain(body).collect()
    }

    fn lines(self) -> Vec<Line> {
        let (before, after) = self.heading;
        let starts = before.key().is_empty();
        let (who, members) = match &*self.who {
            [one] => (format!("{} {one}", if starts { "Process" } else { "process" }), None),
            all => {
                let text = format!("processes {}", list(all, NAMED_PROCESSES));
                let faint = " (times, threads and devices below are those of the first one)";
                let members = Line::default().indented(2).text(text).faint(faint);
                (format!("{} processes", all.len()), Some(members))
            }
        };
        let heading = if starts { before.heading(who) } else { before.text(who) };
        let heading = [Line::default(), heading.text(format!(": {after}"))];
        heading.into_iter().chain(members).chain(self.body).collect()
    }
}

/// The lines of all blocks, in the order in which the first of each group comes.
pub fn fold(blocks: impl IntoIterator<Item = Block>) -> Vec<Line> {
    let mut groups: Vec<(Vec<String>, Block)> = Vec::new();
    for mut block in blocks {
        let key = block.key();
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.who.append(&mut block.who),
            None => groups.push((key, block)),
        }
    }
    groups.into_iter().flat_map(|(_, block)| block.lines()).collect()
}
