//! The scripts of bash, zsh and fish, and what they exchange with the program.
//!
//! A script passes the words up to the cursor. The answer is `files`, a tab and the part of the word before the path; or
//! `words`, then one candidate a line, with a tab and its description.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::CommandFactory;

use super::Candidates;
use crate::args::Cli;

/// A shell that asks the program for candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "bash" => Some(Self::Bash),
            "zsh" => Some(Self::Zsh),
            "fish" => Some(Self::Fish),
            _ => None,
        }
    }
}

/// The completion script of a shell; scripts of other shells do not ask the program.
pub(crate) fn script(shell: clap_complete::Shell) -> String {
    match shell {
        clap_complete::Shell::Bash => include_str!("scripts/irsa.bash").to_owned(),
        clap_complete::Shell::Zsh => include_str!("scripts/irsa.zsh").to_owned(),
        clap_complete::Shell::Fish => include_str!("scripts/irsa.fish").to_owned(),
        other => {
            let mut script = Vec::new();
            clap_complete::generate(other, &mut Cli::command(), "irsa", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
    }
}

/// What was typed up to the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// The words after the name of the program, without quotes; the last one is that of the cursor.
    pub(super) words: Vec<String>,
    shell: Shell,
    /// The part of the last word that bash leaves as it is: it replaces what follows the last of `COMP_WORDBREAKS` only.
    kept: String,
    /// Whether the last word has a quote that is still open.
    in_quotes: bool,
}

impl Typed {
    /// Reads the arguments of a script: the program, `--`, and for bash the line and the word at the cursor as bash splits
    /// it, else each word.
    pub(super) fn of(shell: Shell, arguments: &[OsString]) -> Self {
        let mut arguments = arguments.iter().skip(2).map(|argument| argument.to_string_lossy());
        if shell != Shell::Bash {
            let mut words: Vec<String> = arguments.skip(1).map(Into::into).collect();
            // Fish removes the quotes of all words but the one at the cursor.
            let quoted = if shell == Shell::Fish { words.len().saturating_sub(1) } else { 0 };
            words[quoted..].iter_mut().for_each(|word| *word = unquoted(word));
            return Self { words, shell, kept: String::new(), in_quotes: false };
        }
        let (line, part) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
        let split = split(&line);
        let raw = &line[split.last_at..];
        let kept = match raw.strip_suffix(&*part) {
            Some(kept) => unquoted(kept),
            None => split.words.last().and_then(|word| word.strip_suffix(&*part)).unwrap_or_default().to_owned(),
        };
        let words = split.words.into_iter().skip(1).collect();
        Self { words, shell, kept, in_quotes: split.in_quotes }
    }

    /// The answer as the script reads it.
    pub(super) fn render(&self, answer: &Candidates) -> String {
        let replaced = |word: &str| word.strip_prefix(&self.kept).unwrap_or_default().to_owned();
        match answer {
            Candidates::Files(before) => format!("files\t{}\n", replaced(before)),
            Candidates::Words(candidates) => {
                let mut text = "words\n".to_owned();
                for candidate in candidates {
                    let word = replaced(&candidate.word);
                    let _ = match self.shell {
                        // Bash shows no descriptions, and inserts what it gets as it is.
                        Shell::Bash if self.in_quotes => writeln!(text, "{word}"),
                        Shell::Bash => writeln!(text, "{}", escaped(&word)),
                        Shell::Zsh | Shell::Fish => writeln!(text, "{word}\t{}", candidate.description),
                    };
                }
                text
            }
        }
    }
}

/// A word with a backslash before what the shell would not take literally.
fn escaped(word: &str) -> String {
    let mut text = String::new();
    for letter in word.chars() {
        if !letter.is_alphanumeric() && !"/_-.,+=:@%".contains(letter) {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

/// A line that was split into words.
#[derive(Debug, Default)]
struct Split {
    words: Vec<String>,
    /// Where the last word begins.
    last_at: usize,
    in_quotes: bool,
}

/// Splits a line at its white space, and removes quotes, as a shell does. Variables stay as they are.
fn split(line: &str) -> Split {
    let mut split = Split::default();
    let (mut word, mut quote) = (String::new(), None);
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if letter == open => quote = None,
            (None, '\\') => word.extend(letters.next().map(|(_, next)| next)),
            (Some('"'), '\\') => match letters.next_if(|(_, next)| "\"\\$`".contains(*next)) {
                Some((_, next)) => word.push(next),
                None => word.push('\\'),
            },
            (None, letter) if letter.is_ascii_whitespace() => {
                // Several blanks are one.
                if split.last_at < at {
                    split.words.push(std::mem::take(&mut word));
                }
                split.last_at = at + 1;
            }
            (_, letter) => word.push(letter),
        }
    }
    split.words.push(word);
    split.in_quotes = quote.is_some();
    split
}

fn unquoted(word: &str) -> String {
    split(word).words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::Candidate;
    use super::*;

    fn bash(line: &str, part: &str) -> Typed {
        Typed::of(Shell::Bash, &["irsa", "--", line, part].map(OsString::from))
    }

    #[test]
    fn lines_are_split_as_the_shell_does() {
        for (line, words) in [
            ("irsa ", &["irsa", ""][..]),
            ("irsa  get   a", &["irsa", "get", "a"]),
            (r"irsa --context my\ conte", &["irsa", "--context", "my conte"]),
            (r#"irsa "a \"b\" c" 'd\e' "f"#, &["irsa", r#"a "b" c"#, r"d\e", "f"]),
            ("irsa 'é ü' ", &["irsa", "é ü", ""]),
            ("irsa '' x", &["irsa", "", "x"]),
            ("irsa x\\", &["irsa", "x"]),
        ] {
            assert_eq!(split(line).words, words, "{line}");
        }
    }

    #[test]
    fn bash_gets_the_part_that_it_replaces() {
        for (line, part, candidate, given) in [
            ("irsa --color=a", "a", "--color=always", "always"),
            ("irsa --color=", "", "--color=always", "always"),
            // Without `=` in COMP_WORDBREAKS.
            ("irsa --color=a", "--color=a", "--color=always", "--color=always"),
            ("irsa list --cluster arn:aws:ek", "ek", "arn:aws:eks:r:1:cluster/c", "eks:r:1:cluster/c"),
            ("irsa list --context my\\ c", "my\\ c", "my context", "my\\ context"),
            ("irsa list --context my\\ c", "my c", "my context", "my\\ context"),
            ("irsa list --context 'my c", "my c", "my context", "my context"),
            ("irsa list --context ", "", "$(reboot); `x`", "\\$\\(reboot\\)\\;\\ \\`x\\`"),
        ] {
            let answer = Candidates::Words(vec![Candidate::new(candidate, "description")]);
            assert_eq!(bash(line, part).render(&answer), format!("words\n{given}\n"), "{line} | {part}");
        }
        let files = Candidates::Files("--sandbox=".to_owned());
        assert_eq!(bash("irsa --sandbox=x", "x").render(&files), "files\t\n");
        assert_eq!(bash("irsa --sandbox=x", "--sandbox=x").render(&files), "files\t--sandbox=\n");
    }

    #[test]
    fn zsh_and_fish_get_whole_words_with_descriptions() {
        let typed = Typed::of(Shell::Fish, &["irsa", "--", "irsa", "list", r"my\ c"].map(OsString::from));
        assert_eq!(typed.words, ["list", "my c"]);
        let answer = Candidates::Words(vec![Candidate::new("my context", "one"), Candidate::plain("b")]);
        assert_eq!(typed.render(&answer), "words\nmy context\tone\nb\t\n");
    }
}
