//! What holds for every text: wildcards against a matcher that tries everything, and no text that makes a reader panic.

use super::{QUEUE, request};
use crate::domain::policy::{
    arn::ArnPattern,
    document::Policy,
    edit::{Grant, add, contains, remove},
    pattern::{Pattern, Reading, matches_any_case},
    request::Arn,
    statement::Owner,
};
use proptest::prelude::*;
use std::fmt::Write;

/// Whether a pattern of wildcards covers a text: every way is tried.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        (['?', rest @ ..], [_, text @ ..]) => naive(rest, text),
        ([wanted, rest @ ..], [found, text @ ..]) => wanted == found && naive(rest, text),
        _ => false,
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Documents made of the words of the language, right and wrong.
fn nearly_policy() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"Version\"",
        "\"2012-10-17\"",
        "\"Statement\"",
        "\"Effect\"",
        "\"Allow\"",
        "\"Principal\"",
        "\"*\"",
        "\"AWS\"",
        "\"Action\"",
        "\"sqs:*\"",
        "\"Resource\"",
        "\"arn:aws:sqs:*:*:${aws:username}\"",
        "\"Condition\"",
        "\"StringLike\"",
        "\"aws:SourceIp\"",
        "\"IpAddress\"",
        "\"10.0.0.0/8\"",
        "7",
        "true",
        "null",
        " ",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// A policy in one of many shapes.
fn policy() -> impl Strategy<Value = String> {
    let text = "[ -~é]{0,12}";
    let statement = (any::<bool>(), "[a-zA-Z0-9]{1,8}", text, prop::collection::vec("[a-z*?]{0,8}", 1..4));
    (prop::collection::vec(statement, 1..5), "[ \n\t]{0,3}").prop_map(|(statements, space)| {
        let mut document = format!("{{{space}\"Version\":{space}\"2008-10-17\",\"Statement\":[");
        for (index, (allow, sid, user, names)) in statements.into_iter().enumerate() {
            let effect = if allow { "Allow" } else { "Deny" };
            let user: String = user.chars().filter(|char| !matches!(char, '"' | '\\')).collect();
            let names: Vec<_> = names.iter().map(|name| format!("\"arn:aws:sqs:*:*:{name}\"")).collect();
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(
                document,
                "{comma}{space}{{\"Sid\":\"{sid}{index}\",\"Effect\":\"{effect}\",\"Principal\":\"*\",\
                 \"Action\":\"sqs:*\",\"Resource\":[{}],\"Condition\":{{\"StringLike\":{{\"aws:username\":\"{user}\"}}}}}}",
                names.join(",")
            );
        }
        document + "]" + &space + "}"
    })
}

proptest! {
    #[test]
    fn wildcards_match_as_if_every_way_were_tried(pattern in "[ab*?é]{0,10}", text in "[abé]{0,12}") {
        let reading = Reading { wildcards: true, variables: true, any_case: false };
        let compiled = Pattern::parse(&pattern, reading, "here").expect("no variables");
        let expected = naive(&chars(&pattern), &chars(&text));
        prop_assert_eq!(compiled.matches(&text, &request()), expected);
        prop_assert_eq!(matches_any_case(&pattern, &text), expected);
        prop_assert_eq!(matches_any_case(&pattern.to_uppercase(), &text), expected);
    }

    #[test]
    fn an_arn_of_six_parts_matches_part_by_part(
        patterns in prop::collection::vec("[ab*?]{0,4}", 5),
        texts in prop::collection::vec("[ab]{0,4}", 5),
    ) {
        let pattern = ArnPattern::parse(&format!("arn:{}", patterns.join(":")), true, "here").expect("six parts");
        let text = format!("arn:{}", texts.join(":"));
        let expected = patterns.iter().zip(&texts).all(|(pattern, text)| naive(&chars(pattern), &chars(text)));
        prop_assert_eq!(pattern.matches(&Arn::parse(&text).expect("six parts"), &request()), expected);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = (Policy::parse(&text, Owner::Queue), Policy::parse(&text, Owner::Identity));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Policy::parse(&String::from_utf8_lossy(&bytes), Owner::Queue);
    }

    #[test]
    fn no_words_of_the_language_make_the_reader_panic(text in nearly_policy()) {
        let queue = Policy::parse(&text, Owner::Queue);
        let _ = (queue.map(|policy| policy.judge(&request())), remove(&text, "x"), contains(&text, "x"));
    }

    #[test]
    fn a_policy_cut_anywhere_is_refused_and_a_changed_one_makes_nobody_panic(
        text in policy(), at in any::<prop::sample::Index>(), with in any::<char>(),
    ) {
        let whole = Policy::parse(&text, Owner::Queue).expect("a policy");
        prop_assert_eq!(whole.text(), &text);
        let _ = whole.judge(&request());
        let places: Vec<_> = text.char_indices().map(|(place, _)| place).collect();
        let place = *at.get(&places);
        prop_assert!(Policy::parse(&text[..place], Owner::Queue).is_err());
        let mut changed = text.clone();
        changed.replace_range(place..place + text[place..].chars().next().map_or(0, char::len_utf8), &with.to_string());
        let _ = Policy::parse(&changed, Owner::Queue).map(|policy| policy.judge(&request()));
    }

    #[test]
    fn a_permission_added_and_removed_leaves_the_document_as_it_was(text in policy(), sid in "[A-Za-z0-9_-]{9,80}") {
        let (accounts, actions) = (vec!["111111111111".to_owned()], vec!["SQS:SendMessage".to_owned()]);
        let grant = Grant { sid: &sid, accounts: &accounts, actions: &actions, resource: QUEUE };
        let more = add(&text, &grant).expect("an edit");
        prop_assert!(Policy::parse(&more, Owner::Queue).is_ok());
        prop_assert_eq!(remove(&more, &sid), Ok(Some(text)));
    }
}

#[test]
fn a_pattern_of_many_stars_ends_soon() {
    let reading = Reading { wildcards: true, variables: false, any_case: false };
    let pattern = Pattern::parse(&format!("{}b", "a*".repeat(2000)), reading, "here").expect("a pattern");
    assert!(!pattern.matches(&"a".repeat(4000), &request()));
}
