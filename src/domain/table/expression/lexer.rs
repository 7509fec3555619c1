//! Text to words and signs.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// With its `#`.
    Name(String),
    /// With its `:`.
    Value(String),
    Index(usize),
    Sign(&'static str),
}

/// Longer ones first, where one begins another.
const SIGNS: [&str; 14] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-"];

/// # Errors
///
/// What stands where no token begins.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first)?;
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

fn token(rest: &str, first: char) -> Result<(Token, usize), String> {
    if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        return Ok((Token::Sign(sign), sign.len()));
    }
    let marked = matches!(first, '#' | ':');
    let from = usize::from(marked);
    let length = rest.get(from..).unwrap_or_default().find(|c: char| !is_of_a_word(c));
    let length = length.map_or(rest.len(), |length| length + from);
    let word = rest.get(..length).unwrap_or_default();
    let token = match first {
        '#' if length > 1 => Token::Name(word.to_owned()),
        ':' if length > 1 => Token::Value(word.to_owned()),
        '0'..='9' => Token::Index(word.parse().map_err(|_| word.to_owned())?),
        first if first.is_ascii_alphabetic() || first == '_' => Token::Word(word.to_owned()),
        other => return Err(other.to_string()),
    };
    Ok((token, length))
}

fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
