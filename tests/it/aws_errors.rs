//! Bad requests to SQS, each as AWS answers it, in both protocols. The rows are in `tests/fixtures/aws/sqs-errors.json`.
//!
//! Not provoked here: `RequestThrottled`, which needs an inbox that is full at the moment of a call (the table of errors
//! has a test of its own); signatures and keys, which have theirs in `aws_sqs` and `aws_wire`. Of those one differs from
//! what was recorded of AWS at large: a key that has expired is refused with 403 and `ExpiredToken`, as services that grew
//! up with Query do, not with the 400 and `ExpiredTokenException` of the JSON services; the shape in JSON has that name.

use crate::{
    aws::{Answer, call, query},
    broker::{TestBroker, start_dev},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Fixture {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    case: String,
    operation: String,
    input: Value,
    status: u16,
    code: String,
    /// The shape of JSON; null where the row is about Query or an entry.
    r#type: Option<String>,
    /// Null: AWS has not been seen to say one text.
    message: Option<String>,
    forms: Vec<String>,
    #[serde(default)]
    setup: Vec<(String, Value)>,
    #[serde(default = "root")]
    path: String,
    /// The entry of a batch that fails alone.
    entry: Option<String>,
}

fn root() -> String {
    "/".to_owned()
}

/// What stands for the placeholders of a row.
struct Names {
    name: String,
    base: String,
    handle: String,
}

impl Names {
    fn fill(&self, text: &str) -> String {
        let text = text.replace("$n", &self.name).replace("$base", &self.base).replace("$handle", &self.handle);
        let Some((start, rest)) = text.split_once('<') else { return text };
        let Some((inner, end)) = rest.split_once('>') else { return text };
        if let Some(arn) = inner.strip_prefix("task:") {
            let task = json!({"taskId": "10ad3bd9-b6b4-4d9c-a2c5-3a6a1b8e2f11", "sourceArn": arn});
            return format!("{start}{}{end}", BASE64.encode(task.to_string()));
        }
        match inner.split_once('*') {
            Some((letter, count)) => format!("{start}{}{end}", letter.repeat(count.parse().unwrap())),
            None => text,
        }
    }

    fn fill_all(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_all(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.fill(name), self.fill_all(value))).collect()
            }
            other => other.clone(),
        }
    }
}

async fn run(broker: &TestBroker, row: &Row, number: usize, form: &str) -> Result<(), String> {
    let base = format!("http://{}/000000000000", broker.address);
    let mut names = Names { name: format!("r{number}{form}"), base, handle: String::new() };
    for (operation, input) in &row.setup {
        let answer = call(broker, operation, &names.fill_all(input)).await;
        if answer.status != 200 {
            return Err(format!("setup {operation}: {}", answer.body));
        }
        if let Some(handle) = answer.json()["Messages"][0]["ReceiptHandle"].as_str() {
            names.handle = handle.to_owned();
        }
    }
    let input = names.fill_all(&row.input);
    let wanted = row.message.as_deref().map(|message| names.fill(message));
    let (answer, found) = if form == "json" {
        let answer = call(broker, &row.operation, &input).await;
        let found = in_json(&answer, row);
        (answer, found)
    } else {
        let answer = query(broker, &names.fill(&row.path), &row.operation, &input).await;
        let found = in_xml(&answer, row);
        (answer, found)
    };
    let (code, message) = found.map_err(|wrong| format!("{wrong}: {answer:?}"))?;
    let is_right = answer.status == row.status && code == row.code && wanted.is_none_or(|wanted| wanted == message);
    if is_right { Ok(()) } else { Err(format!("{} {code} {message:?}", answer.status)) }
}

/// Code and message of an answer; an error when its parts do not agree.
fn in_json(answer: &Answer, row: &Row) -> Result<(String, String), String> {
    let json = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(entry) = &row.entry {
        let failed = json["Failed"].as_array().ok_or("nothing failed")?;
        let failed = failed.iter().find(|failed| failed["Id"] == json!(entry)).ok_or("another entry failed")?;
        if failed["SenderFault"] != json!(true) || json["Successful"].as_array().is_none_or(Vec::is_empty) {
            return Err("the entry did not fail alone".to_owned());
        }
        return Ok((text(&failed["Code"]), text(&failed["Message"])));
    }
    let code = answer.header("x-amzn-query-error").split(';').next().unwrap_or_default().to_owned();
    let shape = text(&json["__type"]).rsplit('#').next().unwrap_or_default().to_owned();
    if row.r#type.as_ref().is_some_and(|wanted| *wanted != shape) {
        return Err(format!("the type is {shape}"));
    }
    Ok((code, text(&json["message"])))
}

fn in_xml(answer: &Answer, row: &Row) -> Result<(String, String), String> {
    if row.entry.is_some()
        && (answer.xml("SenderFault").as_deref() != Some("true") || answer.xml("MessageId").is_none())
    {
        return Err("the entry did not fail alone".to_owned());
    }
    if answer.body.trim() == "<UnknownOperationException/>" {
        return Ok(("UnknownOperationException".to_owned(), String::new()));
    }
    let code = answer.xml("Code").ok_or("no code")?;
    if row.entry.is_none() && answer.xml("Type").as_deref() != Some("Sender") {
        return Err("not the sender's fault".to_owned());
    }
    Ok((code, answer.xml("Message").unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_answered_as_aws_answers_them() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/aws/sqs-errors.json")).unwrap();
    assert!(fixture.rows.len() >= 90, "rows were lost");
    // Two in flight are the most, for the row about that.
    let broker = start_dev(2).await;
    let mut wrong = Vec::new();
    for (number, row) in fixture.rows.iter().enumerate() {
        for form in &row.forms {
            if let Err(why) = run(&broker, row, number, form).await {
                wrong.push(format!("{} ({form}): {why}", row.case));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
