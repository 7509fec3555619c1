//! The simulated directory tree: names as programs see them, names as the device has them, and what lies between.

use super::disk::Dice;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Dir,
}

#[derive(Clone, Debug)]
enum Op {
    Link(PathBuf, Node),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, Node),
}

impl Op {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => path.parent() == Some(dir),
            Self::Rename(from, to, _) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn paths(&self) -> (&Path, &Path) {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => (path, path),
            Self::Rename(from, to, _) => (from, to),
        }
    }

    /// True when `self` cannot be durable without `earlier`: a journal keeps the order for one file or one name.
    fn needs(&self, earlier: &Self) -> bool {
        let ((a, b), (c, d)) = (self.paths(), earlier.paths());
        a.starts_with(c) || a.starts_with(d) || b.starts_with(c) || b.starts_with(d)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) seen: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    pending: Vec<Op>,
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

fn apply(tree: &mut BTreeMap<PathBuf, Node>, op: &Op) {
    match op {
        Op::Link(path, node) => {
            tree.insert(path.clone(), *node);
        }
        Op::Unlink(path) => {
            tree.remove(path);
        }
        Op::Rename(from, to, node) => {
            let below: Vec<_> = tree.keys().filter(|path| path.starts_with(from) && *path != from).cloned().collect();
            for path in below {
                if let (Some(node), Ok(rest)) = (tree.remove(&path), path.strip_prefix(from)) {
                    tree.insert(to.join(rest), node);
                }
            }
            tree.remove(from);
            tree.insert(to.clone(), *node);
        }
    }
}

impl Names {
    fn record(&mut self, op: Op) {
        apply(&mut self.seen, &op);
        self.pending.push(op);
    }

    pub(super) fn get(&self, path: &Path) -> io::Result<Node> {
        self.seen.get(path).copied().ok_or_else(|| not_found(path))
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || path.as_os_str().is_empty() || self.seen.get(path) == Some(&Node::Dir)
    }

    pub(super) fn link(&mut self, path: &Path, node: Node) -> io::Result<()> {
        if self.seen.contains_key(path) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists", path.display())));
        }
        if !self.is_dir(path.parent().unwrap_or(Path::new(""))) {
            return Err(not_found(path.parent().unwrap_or(path)));
        }
        self.record(Op::Link(path.to_path_buf(), node));
        Ok(())
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.get(path)?;
        self.record(Op::Unlink(path.to_path_buf()));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.get(from)?;
        self.record(Op::Rename(from.to_path_buf(), to.to_path_buf(), node));
        Ok(())
    }

    /// Whether a name leads to the file, or may do so after a power cut.
    pub(super) fn may_lead_to(&self, id: u64) -> bool {
        let file = Node::File(id);
        let named = |tree: &BTreeMap<PathBuf, Node>| tree.values().any(|node| *node == file);
        let pending = |op: &Op| matches!(op, Op::Link(_, node) | Op::Rename(_, _, node) if *node == file);
        named(&self.seen) || named(&self.durable) || self.pending.iter().any(pending)
    }

    pub(super) fn below(&self, path: &Path) -> Vec<PathBuf> {
        self.seen.keys().filter(|other| other.starts_with(path)).rev().cloned().collect()
    }

    pub(super) fn fsync_dir(&mut self, dir: &Path) {
        let wanted: Vec<bool> = self.pending.iter().map(|op| op.touches(dir)).collect();
        self.persist(wanted);
    }

    pub(super) fn cut_power(&mut self, dice: &mut Dice) {
        let wanted: Vec<bool> = self.pending.iter().map(|_| dice.keeps()).collect();
        self.persist(wanted);
        self.pending.clear();
        self.seen.clone_from(&self.durable);
        self.drop_orphans();
    }

    /// A name whose directory was never made durable is gone with it.
    fn drop_orphans(&mut self) {
        let orphan = |tree: &BTreeMap<PathBuf, Node>, path: &Path| {
            path.parent().is_some_and(|dir| dir.parent().is_some() && tree.get(dir) != Some(&Node::Dir))
        };
        while let Some(path) = self.seen.keys().find(|path| orphan(&self.seen, path)).cloned() {
            self.seen.remove(&path);
        }
        self.durable.clone_from(&self.seen);
    }

    fn persist(&mut self, mut wanted: Vec<bool>) {
        let ops = std::mem::take(&mut self.pending);
        for late in (0..ops.len()).rev() {
            if !wanted.get(late).copied().unwrap_or(false) {
                continue;
            }
            let needed = ops.iter().take(late).map(|early| ops.get(late).is_some_and(|op| op.needs(early)));
            let needed: Vec<bool> = needed.collect();
            wanted.iter_mut().zip(needed).for_each(|(wanted, needed)| *wanted |= needed);
        }
        for (op, wanted) in ops.into_iter().zip(wanted) {
            if wanted {
                apply(&mut self.durable, &op);
            } else {
                self.pending.push(op);
            }
        }
    }
}
