//! What was asked of each door, as a table.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _};

use crate::doors::Seen;

/// How many cases of a file were judged as they should be, door by door.
pub(crate) struct Table {
    doors: Vec<&'static str>,
    chapters: BTreeMap<String, BTreeMap<&'static str, Count>>,
    cases: BTreeMap<String, usize>,
    chapter: String,
}

#[derive(Clone, Copy, Default)]
struct Count {
    same: usize,
    in_front: usize,
    not_asked: usize,
    wrong: usize,
}

impl Table {
    pub(crate) fn new(doors: Vec<&'static str>) -> Self {
        Self { doors, chapters: BTreeMap::new(), cases: BTreeMap::new(), chapter: String::new() }
    }

    /// A case of this file is asked.
    pub(crate) fn begin(&mut self, chapter: &str) {
        chapter.clone_into(&mut self.chapter);
        *self.cases.entry(self.chapter.clone()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, door: &'static str, seen: &Seen, is_right: bool) {
        let count = self.chapters.entry(self.chapter.clone()).or_default().entry(door).or_default();
        match seen {
            _ if !is_right => count.wrong += 1,
            Seen::InFront(_) => count.in_front += 1,
            Seen::CannotAsk(_) => count.not_asked += 1,
            Seen::Allowed { .. } | Seen::Refused { .. } => count.same += 1,
        }
    }

    pub(crate) fn cases(&self) -> usize {
        self.cases.values().sum()
    }

    /// To the terminal, past the capturing of output.
    pub(crate) fn print(&self) {
        let mut out = String::from(
            "\nOne corpus, every door: verdicts as written down; `+n` refused in front of orgate, `-n` cannot be asked there\n\n",
        );
        write!(out, "{:<14}{:>6}", "", "cases").unwrap();
        self.doors.iter().for_each(|door| write!(out, "{door:>16}").unwrap());
        out.push('\n');
        for (chapter, counts) in &self.chapters {
            write!(out, "{chapter:<14}{:>6}", self.cases[chapter]).unwrap();
            for door in &self.doors {
                let count = counts.get(door).copied().unwrap_or_default();
                let mut cell = count.same.to_string();
                for (sign, number) in [('+', count.in_front), ('-', count.not_asked), ('!', count.wrong)] {
                    if number > 0 {
                        write!(cell, " {sign}{number}").unwrap();
                    }
                }
                write!(out, "{cell:>16}").unwrap();
            }
            out.push('\n');
        }
        writeln!(out, "{:<14}{:>6}", "together", self.cases()).unwrap();
        std::io::stderr().write_all(out.as_bytes()).unwrap();
    }
}
