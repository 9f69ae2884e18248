//! Takes Rust apart into code, comments and strings, just well enough for rules that look for words and braces.

/// A text apart. Lines count from 0.
#[derive(Debug, Default)]
pub struct Lexed {
    /// Line by line; comments and the insides of strings are blank.
    pub code: Vec<String>,
    /// Each line of each comment, with its slashes.
    pub comments: Vec<(usize, String)>,
    /// The insides of strings, by the line they start on.
    pub strings: Vec<(usize, String)>,
}

/// Takes a text apart.
pub fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer { rest: text, line: String::new(), lexed: Lexed::default() };
    while lexer.step().is_some() {}
    lexer.newline();
    lexer.lexed
}

struct Lexer<'a> {
    rest: &'a str,
    line: String,
    lexed: Lexed,
}

impl Lexer<'_> {
    fn step(&mut self) -> Option<()> {
        let c = self.rest.chars().next()?;
        let after_word = self.line.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.comment(end);
        } else if self.rest.starts_with("/*") {
            self.comment(block_comment(self.rest));
        } else if let Some((open, close)) = raw_string(self.rest).filter(|_| !after_word) {
            let inside = &self.rest[open..];
            let length = inside.find(&close).unwrap_or(inside.len());
            self.string(open, length, close.len());
        } else if c == '"' {
            self.string(1, string(&self.rest[1..]), 1);
        } else if c == '\'' {
            self.skip(char_literal(self.rest));
        } else {
            self.rest = &self.rest[c.len_utf8()..];
            self.push(c);
        }
        Some(())
    }

    fn push(&mut self, c: char) {
        if c == '\n' { self.newline() } else { self.line.push(c) }
    }

    fn newline(&mut self) {
        self.lexed.code.push(std::mem::take(&mut self.line));
    }

    fn comment(&mut self, length: usize) {
        let (comment, rest) = self.rest.split_at(length);
        let first = self.lexed.code.len();
        let lines = comment.lines().enumerate().map(|(n, line)| (first + n, line.to_owned()));
        self.lexed.comments.extend(lines);
        self.rest = rest;
        comment.chars().filter(|c| *c == '\n').for_each(|c| self.push(c));
    }

    fn string(&mut self, open: usize, length: usize, close: usize) {
        let inside = &self.rest[open..open + length];
        self.lexed.strings.push((self.lexed.code.len(), inside.to_owned()));
        self.skip((open + length + close).min(self.rest.len()));
    }

    /// Leaves `""` in the code for what is skipped, so that a string is still seen to stand there.
    fn skip(&mut self, length: usize) {
        let (skipped, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.line.push_str("\"\"");
        skipped.chars().filter(|c| *c == '\n').for_each(|c| self.push(c));
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    for at in 0..text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of an opening `r#"`, and the closing that belongs to it.
fn raw_string(text: &str) -> Option<(usize, String)> {
    let prefix = ["r", "br", "cr"].into_iter().find(|p| {
        let hashes = text.strip_prefix(p).map(|rest| rest.trim_start_matches('#'));
        hashes.is_some_and(|rest| rest.starts_with('"'))
    })?;
    let hashes = text[prefix.len()..].find('"')?;
    Some((prefix.len() + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

/// The length of a string's inside.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; 1 for a lifetime.
fn char_literal(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => {
            chars.find(|(_, c)| *c == '\'').map_or(text.len(), |(at, _)| at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn code_comments_and_strings_are_told_apart() {
    let lexed = lex(concat!(
        "let a = \"x // {\\\"\"; // why {\n",
        "/* one\n two */ let b = r#\"}\"\n\"#; let c: &'static str; let d = '{'; let e = '\\'';\n",
        "br\"q\"; number\"z\"\n",
    ));
    let code: Vec<_> = lexed.code.iter().map(|line| line.trim()).collect();
    assert_eq!(
        code,
        [
            "let a = \"\";",
            "",
            "let b = \"\"",
            "; let c: &\"\"static str; let d = \"\"; let e = \"\";",
            "\"\"; number\"\"",
            "",
        ]
    );
    assert_eq!(
        lexed.comments,
        [(0, "// why {".into()), (1, "/* one".into()), (2, " two */".into())]
    );
    let strings: Vec<_> = lexed.strings.iter().map(|(line, s)| (*line, s.as_str())).collect();
    assert_eq!(strings, [(0, "x // {\\\""), (2, "}\"\n"), (4, "q"), (4, "z")]);
}
