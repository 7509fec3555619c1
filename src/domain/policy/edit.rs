//! Adds a statement to the text of a policy, or takes one away, and leaves every other byte as it is.

use super::{
    error::PolicyError,
    json::{self, Node, Value},
};

/// A statement that allows some accounts some actions on one queue.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    pub sid: &'a str,
    /// 12 digits each, at least one.
    pub accounts: &'a [String],
    /// Names with their service, at least one.
    pub actions: &'a [String],
    pub resource: &'a str,
}

/// The text with one statement more. An empty text becomes a policy of the queue `resource`.
pub fn add(text: &str, grant: &Grant<'_>) -> Result<String, PolicyError> {
    let statement = spell(grant);
    if text.is_empty() {
        let id = string(&format!("{}/SQSDefaultPolicy", grant.resource));
        return Ok(format!("{{\"Version\":\"2008-10-17\",\"Id\":{id},\"Statement\":[{statement}]}}"));
    }
    let root = json::parse(text)?;
    let node = statements(&root)?;
    let (before, at, after) = cut(text, node);
    let all = match (&node.value, node.items().last()) {
        (Value::List(_), Some(last)) => {
            let (kept, end) = at.split_at_checked(last.span.end - node.span.start).unwrap_or((at, ""));
            format!("{kept},{statement}{end}")
        }
        (Value::List(_), None) => format!("[{statement}]"),
        (Value::Object(_) | Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Null, _) => {
            format!("[{at},{statement}]")
        }
    };
    Ok(format!("{before}{all}{after}"))
}

/// The text without the statement of this Sid, empty when that was the only one; `None` when there is none.
pub fn remove(text: &str, sid: &str) -> Result<Option<String>, PolicyError> {
    if text.is_empty() {
        return Ok(None);
    }
    let root = json::parse(text)?;
    let items = statements(&root)?.items();
    let Some(index) = items.iter().position(|item| has_sid(item, sid)) else { return Ok(None) };
    if items.len() == 1 {
        return Ok(Some(String::new()));
    }
    // With its comma: the one before it, or for the first the one behind.
    let end_of = |index: usize| items.get(index).map(|item| item.span.end);
    let start_of = |index: usize| items.get(index).map(|item| item.span.start);
    let (from, to) = match index.checked_sub(1) {
        Some(earlier) => (end_of(earlier), end_of(index)),
        None => (start_of(0), start_of(1)),
    };
    let before = from.and_then(|from| text.get(..from)).unwrap_or_default();
    let after = to.and_then(|to| text.get(to..)).unwrap_or_default();
    Ok(Some(format!("{before}{after}")))
}

/// Whether a statement has this Sid.
pub fn contains(text: &str, sid: &str) -> Result<bool, PolicyError> {
    if text.is_empty() {
        return Ok(false);
    }
    let root = json::parse(text)?;
    Ok(statements(&root)?.items().iter().any(|item| has_sid(item, sid)))
}

fn statements<'a, 'b>(root: &'b Node<'a>) -> Result<&'b Node<'a>, PolicyError> {
    let statement = root.members().unwrap_or_default().iter().find(|member| member.name == "Statement");
    let statement = statement.map(|member| &member.node);
    statement.ok_or_else(|| PolicyError::element("Statement", "missing", "a statement or a list of them"))
}

fn cut<'a>(text: &'a str, node: &Node<'_>) -> (&'a str, &'a str, &'a str) {
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    (part(0..node.span.start), part(node.span.clone()), part(node.span.end..text.len()))
}

fn has_sid(node: &Node<'_>, sid: &str) -> bool {
    let members = node.members().unwrap_or_default();
    members.iter().any(|member| member.name == "Sid" && member.node.text() == Some(sid))
}

fn spell(grant: &Grant<'_>) -> String {
    let roots: Vec<_> = grant.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
    let (sid, resource) = (string(grant.sid), string(grant.resource));
    let (principals, actions) = (one_or_list(&roots), one_or_list(grant.actions));
    format!(
        "{{\"Sid\":{sid},\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":{principals}}},\"Action\":{actions},\"Resource\":{resource}}}"
    )
}

fn one_or_list(texts: &[String]) -> String {
    match texts {
        [one] => string(one),
        many => format!("[{}]", many.iter().map(|text| string(text)).collect::<Vec<_>>().join(",")),
    }
}

/// A JSON string.
fn string(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len() + 2);
    spelled.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => spelled.extend(['\\', char]),
            char if char < ' ' => spelled.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => spelled.push(char),
        }
    }
    spelled.push('"');
    spelled
}
