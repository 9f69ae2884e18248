//! The words and marks of a C declaration, with their places; comments are dropped.

use std::ops::Range;

use super::{Mend, PrototypeError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    Punct(&'t str),
}

impl Token<'_> {
    /// For a message.
    pub(super) fn show(token: Option<Token<'_>>) -> String {
        match token {
            Some(Token::Word(text) | Token::Punct(text)) => format!("`{text}`"),
            None => "the end".into(),
        }
    }
}

/// What is left of a declaration.
pub(super) struct Tokens<'t> {
    tokens: Vec<(Token<'t>, Range<usize>)>,
    next: usize,
    end: Range<usize>,
}

impl<'t> Tokens<'t> {
    pub(super) fn read(text: &'t str) -> Result<Self, PrototypeError> {
        let mut tokens = Vec::new();
        let mut at = skip_blank(text, 0)?;
        while at < text.len() {
            let length = token_length(&text[at..]);
            let word = &text[at..at + length];
            let is_word = word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let token = if is_word { Token::Word(word) } else { Token::Punct(word) };
            tokens.push((token, at..at + length));
            at = skip_blank(text, at + length)?;
        }
        Ok(Tokens { tokens, next: 0, end: text.len()..text.len() })
    }

    pub(super) fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    pub(super) fn next(&mut self) -> Option<Token<'t>> {
        let token = self.peek();
        self.next += usize::from(token.is_some());
        token
    }

    /// Where the next token stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.end.clone(), |(_, span)| span.clone())
    }

    /// Takes the next token if it is `text`.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(t) | Token::Punct(t)) if t == text);
        self.next += usize::from(found);
        found
    }

    /// Takes `void)`.
    pub(super) fn take_void_list(&mut self) -> bool {
        let after = self.tokens.get(self.next + 1).map(|(token, _)| *token);
        let found = self.peek() == Some(Token::Word("void")) && after == Some(Token::Punct(")"));
        self.next += if found { 2 } else { 0 };
        found
    }

    pub(super) fn require(&mut self, text: &str) -> Result<(), PrototypeError> {
        let span = self.span();
        if self.take(text) {
            return Ok(());
        }
        let message = format!("`{text}` was expected, not {}", Token::show(self.peek()));
        Err(PrototypeError::new(&span, Mend::Declaration, message))
    }
}

/// Past white space and comments.
fn skip_blank(text: &str, mut at: usize) -> Result<usize, PrototypeError> {
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        let start = at + rest.len() - trimmed.len();
        let length = if trimmed.starts_with("//") {
            trimmed.find('\n').unwrap_or(trimmed.len())
        } else if trimmed.starts_with("/*") {
            let unclosed = || {
                let message = "`/*` is never closed";
                PrototypeError::new(&(start..start + 2), Mend::Declaration, message)
            };
            trimmed.find("*/").ok_or_else(unclosed)? + 2
        } else {
            return Ok(start);
        };
        at = start + length;
    }
}

/// Of the token that `text` begins with.
fn token_length(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if word > 0 {
        return word;
    }
    for fixed in ["...", "\"C\""] {
        if text.starts_with(fixed) {
            return fixed.len();
        }
    }
    text.chars().next().map_or(0, char::len_utf8)
}
