//! What clients were told of the messages of a queue, and so what must be there and what must not.

use crate::base::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Messages have names that rise with the order in which their sending began.
#[derive(Clone, Default)]
pub(super) struct Oracle {
    next: u64,
    /// Counts what happens, so that it can be told what came before a call.
    tick: u64,
    begun: BTreeSet<String>,
    sent: BTreeSet<String>,
    /// Deletions that were asked for and not refused.
    asked: BTreeMap<String, u32>,
    /// Deletions that were acknowledged, and when.
    deleted: BTreeMap<String, u64>,
    not_before: BTreeMap<String, Timestamp>,
}

/// A purge that was asked for.
pub(super) struct Purge(BTreeSet<String>);

impl Oracle {
    /// What is known when nothing is but what is there; the names that were used stay used.
    pub(super) fn of_what_is_there(&self, present: &[String]) -> Self {
        let all: BTreeSet<String> = present.iter().cloned().collect();
        Self { next: self.next, begun: all.clone(), sent: all, not_before: self.not_before.clone(), ..Self::default() }
    }

    /// Names for messages that are about to be sent.
    pub(super) fn begin(&mut self, count: usize) -> Vec<String> {
        let names: Vec<String> = (self.next..).take(count).map(|number| format!("{number:08}")).collect();
        self.next += count as u64;
        self.begun.extend(names.iter().cloned());
        names
    }

    /// The same for a sender who chooses the names.
    pub(super) fn begin_named(&mut self, names: &[String]) {
        self.begun.extend(names.iter().cloned());
    }

    pub(super) fn hide(&mut self, name: &str, until: Timestamp) {
        self.not_before.insert(name.to_owned(), until);
    }

    pub(super) fn sent(&mut self, names: impl IntoIterator<Item = String>) {
        self.sent.extend(names);
    }

    pub(super) fn all_sent(&self, there: impl Fn(&String) -> bool) -> bool {
        self.sent.iter().all(there)
    }

    pub(super) fn now(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    /// A receive that was called at `called` has given these at `time`.
    pub(super) fn received(&self, names: &[String], called: u64, time: Timestamp) {
        for name in names {
            assert!(self.begun.contains(name), "{name} came out of nothing");
            let gone = self.deleted.get(name).is_some_and(|at| *at < called);
            assert!(!gone, "{name} was deleted and comes back");
            let early = self.not_before.get(name).is_some_and(|until| time < *until);
            assert!(!early, "{name} comes before its delay is over");
        }
    }

    /// The same of a queue with groups: `group` tells a name's.
    pub(super) fn received_in_order(&self, names: &[String], group: impl Fn(&str) -> usize) {
        for (index, name) in names.iter().enumerate() {
            let earlier = self.sent.range(..name.clone()).filter(|other| group(other) == group(name));
            let mut passed =
                earlier.filter(|other| !self.asked.contains_key(*other) && !names[..index].contains(other));
            assert_eq!(passed.next(), None, "{name} comes before one of its group that was sent earlier");
        }
    }

    pub(super) fn ask(&mut self, name: &str) {
        *self.asked.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn refused(&mut self, name: &str) {
        if let Some(asked) = self.asked.get_mut(name) {
            *asked -= 1;
            if *asked == 0 {
                self.asked.remove(name);
            }
        }
    }

    pub(super) fn deleted(&mut self, name: &str) {
        let now = self.now();
        self.deleted.entry(name.to_owned()).or_insert(now);
    }

    pub(super) fn ask_purge(&mut self) -> Purge {
        self.ask_all();
        Purge(self.sent.clone())
    }

    /// What was sent while the purge ran may be gone as well.
    pub(super) fn purged(&mut self, purge: Purge) {
        self.ask_all();
        purge.0.iter().for_each(|name| self.deleted(name));
    }

    fn ask_all(&mut self) {
        for name in self.begun.clone() {
            self.ask(&name);
        }
    }

    /// What is in the queue against what must and must not be there.
    pub(super) fn check(&self, present: &[String], what: &str) {
        Window { before: self.clone(), after: self.clone() }.check(present, what);
    }
}

/// What was told before something began and until it had ended.
pub(super) struct Window {
    pub(super) before: Oracle,
    pub(super) after: Oracle,
}

impl Window {
    /// Whether these are the messages of some moment in between.
    pub(super) fn check(&self, present: &[String], what: &str) {
        let Self { before, after } = self;
        let set: BTreeSet<&String> = present.iter().collect();
        for name in &before.sent {
            let there = set.contains(name) || after.asked.contains_key(name);
            assert!(there, "{what} lost {name}, which was acknowledged");
        }
        for name in before.deleted.keys() {
            assert!(!set.contains(name), "{what} still has {name}, whose deletion was acknowledged");
        }
        for name in &set {
            assert!(after.begun.contains(*name), "{what} has {name}, which nobody sent");
        }
        assert_eq!(set.len(), present.len(), "{what} holds a message twice");
    }
}

/// An oracle that cannot fail proves nothing.
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn told() -> Oracle {
        let mut oracle = Oracle::default();
        let all = oracle.begin(4);
        assert_eq!(all, names(&["00000000", "00000001", "00000002", "00000003"]));
        oracle.sent(all[..3].to_vec());
        oracle.ask("00000000");
        oracle.deleted("00000000");
        oracle.ask("00000001");
        oracle
    }

    fn fails(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let payload = std::panic::catch_unwind(check).expect_err("it passes");
        payload.downcast_ref::<String>().expect("a message").clone()
    }

    #[test]
    fn what_may_be_there_passes() {
        for present in [&["00000002"][..], &["00000001", "00000002"], &["00000002", "00000003"]] {
            told().check(&names(present), "it");
        }
    }

    #[test]
    fn each_promise_can_be_broken() {
        let broken = |present: &'static [&'static str]| fails(move || told().check(&names(present), "it"));
        assert_eq!(broken(&["00000001"]), "it lost 00000002, which was acknowledged");
        assert!(broken(&["00000000", "00000002"]).contains("still has 00000000"));
        assert!(broken(&["00000002", "00000009"]).contains("which nobody sent"));
        assert!(broken(&["00000002", "00000002"]).contains("twice"));
    }

    #[test]
    fn a_refused_deletion_leaves_the_message() {
        let mut oracle = told();
        oracle.refused("00000001");
        assert!(fails(move || oracle.check(&names(&["00000002"]), "it")).contains("lost 00000001"));
    }

    #[test]
    fn a_window_takes_what_changed_in_it() {
        let before = told();
        let mut after = before.clone();
        let more = after.begin(1);
        after.sent(more);
        let purge = after.ask_purge();
        after.purged(purge);
        let window = Window { before, after };
        for present in [&[][..], &["00000002"], &["00000002", "00000004"]] {
            window.check(&names(present), "it");
        }
        assert!(fails(move || window.after.check(&names(&["00000004"]), "it")).contains("still has 00000004"));
    }

    #[test]
    fn a_receive_can_come_too_early_too_late_and_out_of_order() {
        let mut oracle = told();
        let called = oracle.now();
        oracle.hide("00000002", Timestamp(50));
        let all = oracle.clone();
        assert!(fails(move || all.received(&names(&["00000000"]), called, Timestamp(99))).contains("comes back"));
        let all = oracle.clone();
        assert!(fails(move || all.received(&names(&["00000002"]), called, Timestamp(49))).contains("delay"));
        oracle.refused("00000001");
        oracle.received_in_order(&names(&["00000001", "00000002"]), |_| 0);
        let out = move || oracle.received_in_order(&names(&["00000002"]), |_| 0);
        assert!(fails(out).contains("comes before one of its group"));
    }
}
