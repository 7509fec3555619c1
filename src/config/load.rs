//! Lays default, file, environment and flags over each other.

use super::{Config, ConfigError, KEYS, Key, Origin, Problem, file, pairs};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// The file that is read when no other is named and it exists.
pub const SYSTEM_FILE: &str = "/etc/forebay/forebay.toml";
const PREFIX: &str = "FOREBAY__";

/// A value in force.
#[derive(Clone, Debug)]
pub struct Value {
    pub key: &'static Key,
    /// As it was written, without quotes.
    pub text: String,
    pub origin: Origin,
}

/// Where values may come from; kept, so that a running broker can read them again.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file to read, which must exist; none: [`SYSTEM_FILE`] if that exists.
    pub file: Option<PathBuf>,
    /// Environment variables; only those that begin with `FOREBAY__` count.
    pub environment: Vec<(OsString, OsString)>,
    /// Key, text, and the flag as it was written; later ones win.
    pub flags: Vec<(String, String, String)>,
}

/// The configuration with the origin of each value.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    values: BTreeMap<&'static str, Value>,
}

/// What a second reading changed, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub reloadable: Vec<&'static str>,
    pub need_restart: Vec<&'static str>,
}

impl Sources {
    /// Adds `--set section.key=value`.
    ///
    /// # Errors
    /// When there is no `=`.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (key, text) =
            assignment.split_once('=').ok_or_else(|| format!("{assignment:?} is not of the form section.key=value"))?;
        self.flags.push((key.trim().to_owned(), text.trim().to_owned(), format!("--set {assignment}")));
        Ok(())
    }

    /// Adds a flag of its own name that stands for a key.
    pub fn flag(&mut self, key: &str, text: String, flag: &str) {
        self.flags.push((key.to_owned(), text, flag.to_owned()));
    }

    /// Reads every source.
    ///
    /// # Errors
    /// Everything that is wrong with them, not only the first.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut layers = Layers::with_defaults();
        layers.file(self.file.as_deref());
        for (name, text) in &self.environment {
            layers.variable(name, text);
        }
        for (key, text, flag) in &self.flags {
            layers.set(key, text, Origin::Flag(flag.clone()));
        }
        layers.finish()
    }
}

impl Loaded {
    /// Every value in force, in the order of the table.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        KEYS.iter().filter_map(|key| self.values.get(key.name))
    }

    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.values.get(key).map(|value| &value.origin)
    }

    /// What is different in a later reading.
    pub fn changes(&self, later: &Self) -> Changes {
        let mut changes = Changes::default();
        for (old, new) in self.values().zip(later.values()) {
            match (old.text == new.text, old.key.reloadable) {
                (true, _) => {}
                (false, true) => changes.reloadable.push(old.key.name),
                (false, false) => changes.need_restart.push(old.key.name),
            }
        }
        changes
    }
}

impl Default for Loaded {
    /// The built-in defaults and nothing else.
    fn default() -> Self {
        Layers::with_defaults().finish().expect("a test reads every default")
    }
}

impl Default for Config {
    fn default() -> Self {
        Loaded::default().config
    }
}

struct Layers {
    values: BTreeMap<&'static str, Value>,
    problems: Vec<Problem>,
}

impl Layers {
    fn with_defaults() -> Self {
        let default = |key: &&'static Key| Value { key, text: key.default.to_owned(), origin: Origin::Default };
        Self { values: KEYS.iter().map(|key| (key.name, default(key))).collect(), problems: Vec::new() }
    }

    fn file(&mut self, named: Option<&Path>) {
        let path = named.unwrap_or(Path::new(SYSTEM_FILE));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let origin = Origin::File { path: path.to_owned(), line: 0 };
                self.problems.push(Problem { origin, text: format!("cannot be read: {error}"), suggestion: None });
                return;
            }
        };
        for found in file::read(path, &text, &mut self.problems) {
            let origin = Origin::File { path: path.to_owned(), line: found.line };
            self.values.insert(found.key.name, Value { key: found.key, text: found.text, origin });
        }
    }

    fn variable(&mut self, name: &OsString, text: &OsString) {
        let Some(name) = name.to_str() else { return };
        let Some(path) = name.strip_prefix(PREFIX) else { return };
        let origin = Origin::Environment(name.to_owned());
        let key = path.replace("__", ".").to_lowercase();
        match text.to_str() {
            Some(text) => self.set(&key, text, origin),
            None => self.problems.push(Problem { origin, text: "is not UTF-8".to_owned(), suggestion: None }),
        }
    }

    fn set(&mut self, name: &str, text: &str, origin: Origin) {
        let Some(key) = Key::find(name) else {
            let suggestion = suggest_key(name);
            self.problems.push(Problem { origin, text: format!("unknown key {name:?}"), suggestion });
            return;
        };
        match key.check(text) {
            Ok(()) => {
                self.values.insert(key.name, Value { key, text: text.to_owned(), origin });
            }
            Err(error) => {
                self.problems.push(Problem { origin, text: format!("{}: {error}", key.name), suggestion: None });
            }
        }
    }

    fn finish(mut self) -> Result<Loaded, ConfigError> {
        let text_of = |name: &'static str| self.values.get(name).map_or("", |value| value.text.as_str());
        match Config::from_texts(text_of) {
            Ok(config) => {
                pairs::check(&config, &self.values, &mut self.problems);
                if self.problems.is_empty() {
                    return Ok(Loaded { config, values: self.values });
                }
            }
            Err((name, error)) => {
                let origin = self.values.get(name).map_or(Origin::Default, |value| value.origin.clone());
                self.problems.push(Problem { origin, text: format!("{name}: {error}"), suggestion: None });
            }
        }
        Err(ConfigError { problems: self.problems })
    }
}

/// The known name that is most like the one written, if one is like it.
pub(super) fn suggest<'n>(written: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let scored = known.map(|name| (strsim::normalized_damerau_levenshtein(written, name), name));
    let (score, name) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score >= 0.6).then(|| format!("did you mean {name:?}?"))
}

/// The same for keys: first by the whole name, then by the key alone, for a key in the wrong section.
pub(super) fn suggest_key(written: &str) -> Option<String> {
    let short = written.rsplit('.').next().unwrap_or(written);
    if let Some(key) = KEYS.iter().find(|key| key.short() == short) {
        return Some(format!("did you mean {:?}?", key.name));
    }
    suggest(written, KEYS.iter().map(|key| key.name))
}
