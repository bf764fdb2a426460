//! What is read while the program runs, and reported at its end.

use std::io::Write;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::arena::Arena;
use crate::json;
use crate::live;
use crate::model::Model;
use crate::options::Options;
use crate::record::{Event, Record};
use crate::report::{self, Line, Surroundings};
use crate::symbols::Symbols;
use crate::untraced::{Untraced, Watch};
use crate::verdict::Verdict;

use super::files::Files;

/// How long the command waits for processes that outlive the program, if it has to judge them.
const GRACE: Duration = Duration::from_secs(1);

pub struct Tracing<'options> {
    options: &'options Options,
    arena: Arena,
    watch: Watch,
    files: Files,
    model: Model,
    symbols: Symbols,
    untraced: Vec<Untraced>,
}

impl<'options> Tracing<'options> {
    pub fn new(options: &'options Options, arena: Arena, watch: Watch, files: Files) -> Self {
        let (model, symbols) = (Model::default(), Symbols::default());
        Self { options, arena, watch, files, model, symbols, untraced: Vec::new() }
    }

    pub fn look(&mut self, last: bool) {
        for (index, record) in self.arena.read(last).into_iter().enumerate() {
            if index % 1024 == 0 {
                self.arena.make_room();
            }
            self.take(&record);
        }
        for found in self.watch.look() {
            let time = self.arena.elapsed();
            self.files.json(|| Some(json::untraced(time, &found)));
            self.live(Some(live::untraced(time, &found)));
            self.untraced.push(found);
        }
        self.files.flush();
    }

    fn take(&mut self, record: &Record) {
        self.model.add(record);
        if let Event::Process(about) = &record.event {
            self.watch.add(about);
        }
        if self.options.live {
            let line = live::event(record, &self.model, &mut self.symbols);
            self.live(line);
        }
        let (model, symbols) = (&self.model, &mut self.symbols);
        self.files.json(|| json::event(record, model, symbols));
    }

    /// Prints an event if `--live` was passed. A reader that has gone is ignored.
    fn live(&self, line: Option<Line>) {
        if let Some(line) = line.filter(|_| self.options.live) {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    /// Reads what is left when the program has ended.
    pub fn look_at_the_rest(&mut self) {
        let ended = Instant::now();
        while (self.watch.find_orphans() || !self.watch.living().is_empty())
            && self.options.is_gate()
            && ended.elapsed() < GRACE
        {
            std::thread::sleep(super::PAUSE);
            self.look(false);
        }
        self.look(true);
    }

    pub fn end(mut self, status: ExitStatus, interrupted: bool) -> Verdict {
        let time = self.arena.elapsed();
        self.model.look_at_threads();
        let mut about = Surroundings {
            status: Some(status),
            program: Some(self.watch.program),
            untraced: self.untraced,
            lost: self.arena.lost(),
            damaged: self.arena.is_damaged(),
            living: self.watch.living(),
            driver_was_opened: self.watch.driver_was_opened(),
            opens_were_missed: self.watch.why_opens_are_missed().map(str::to_owned),
            // If `silent` names a process, the gap is reported already.
            has_unseen: self.watch.arena_was_missing && self.watch.silent.is_empty(),
            silent: self.watch.silent.into_iter().collect(),
            unreadable: self.watch.unreadable.into_iter().collect(),
            options: self.options.clone(),
            verdict: Verdict::Passed,
        };
        about.verdict = Verdict::of(&self.model, &about);
        let (model, files) = (&self.model, &mut self.files);
        files.json(|| Some(json::end(time, status, model, &about)));
        let text = report::text(model, &mut self.symbols, &about);
        self.files.finish(interrupted);
        self.files.report(&text);
        about.verdict
    }
}
