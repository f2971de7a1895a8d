//! What is expected at the end of a line that is not finished, read as clap would read it.

use clap::{Arg, ArgAction, Command};

/// A line up to the cursor.
#[derive(Debug)]
pub(super) struct Line<'c> {
    /// The command that its last word belongs to.
    pub(super) command: &'c Command,
    /// The names of the subcommands that lead there.
    pub(super) path: Vec<&'c str>,
    /// The last word, as far as it is typed.
    pub(super) word: String,
    /// What that word is.
    pub(super) expected: Expected<'c>,
    /// Whether it may be the name of a subcommand.
    pub(super) takes_subcommand: bool,
    /// The arguments before it, with their values.
    given: Vec<(&'c str, String)>,
}

/// What the last word is.
#[derive(Debug)]
pub(super) enum Expected<'c> {
    /// The value of an option; `before` is what comes before the value in the same word, such as `--color=`.
    Value { arg: &'c Arg, before: String },
    /// The name of an option.
    Option,
    /// A subcommand, or the value of a positional argument.
    Word { positional: Option<&'c Arg>, options_too: bool },
}

impl<'c> Line<'c> {
    /// Reads the words that follow the name of the program; the last one is that of the cursor and may be empty.
    pub(super) fn of(root: &'c Command, words: &[String]) -> Self {
        let (word, before) = match words.split_last() {
            Some((word, before)) => (word.clone(), before),
            None => (String::new(), &[][..]),
        };
        let expected = Expected::Word { positional: None, options_too: true };
        let mut line =
            Self { command: root, path: Vec::new(), word, expected, takes_subcommand: false, given: Vec::new() };
        let mut reader = Reader::default();
        for word in before {
            line.read(&mut reader, word);
        }
        line.takes_subcommand = reader.takes_subcommand();
        line.expected = line.expect(&reader);
        line
    }

    /// The value of an option; the last one, where it is given several times.
    pub(super) fn value(&self, id: &str) -> Option<&str> {
        self.values(id).pop()
    }

    /// All values of an argument, in their order.
    pub(super) fn values(&self, id: &str) -> Vec<&str> {
        self.given.iter().filter(|(known, _)| *known == id).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether the option was given and may not be given again.
    pub(super) fn is_used_up(&self, arg: &Arg) -> bool {
        let repeats = matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
        !repeats && self.given.iter().any(|(known, _)| *known == arg.get_id().as_str())
    }

    fn read(&mut self, reader: &mut Reader<'c>, word: &str) {
        if let Some(arg) = reader.pending.take() {
            self.give(arg, word);
            return;
        }
        if reader.is_escaped {
            self.read_positional(reader, word);
        } else if word == "--" {
            reader.is_escaped = true;
        } else if let Some(name) = word.strip_prefix("--") {
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (name, None),
            };
            let Some(arg) = self.long(name) else { return };
            match value {
                None if takes_next_word(arg) => reader.pending = Some(arg),
                value => self.give(arg, value.unwrap_or_default()),
            }
        } else if word.len() > 1 && word.starts_with('-') {
            let (flags, with_value) = self.shorts(word);
            flags.into_iter().for_each(|arg| self.give(arg, ""));
            match with_value {
                Some((arg, _, "")) => reader.pending = Some(arg),
                Some((arg, _, value)) => self.give(arg, value),
                None => {}
            }
        } else if reader.takes_subcommand()
            && let Some(command) = self.command.find_subcommand(word)
        {
            self.command = command;
            self.path.push(command.get_name());
        } else {
            self.read_positional(reader, word);
        }
    }

    fn read_positional(&mut self, reader: &mut Reader<'c>, word: &str) {
        if let Some(arg) = self.positional(reader) {
            self.give(arg, word);
        }
        reader.positionals += 1;
    }

    fn give(&mut self, arg: &'c Arg, value: &str) {
        self.given.push((arg.get_id().as_str(), value.to_owned()));
    }

    fn expect(&self, reader: &Reader<'c>) -> Expected<'c> {
        if let Some(arg) = reader.pending {
            return Expected::Value { arg, before: String::new() };
        }
        let positional = self.positional(reader);
        if reader.is_escaped || !self.word.starts_with('-') {
            return Expected::Word { positional, options_too: !reader.is_escaped };
        }
        if let Some(name) = self.word.strip_prefix("--") {
            let arg = name.split_once('=').and_then(|(name, _)| Some((name, self.long(name)?)));
            return match arg {
                Some((name, arg)) if arg.get_action().takes_values() => {
                    Expected::Value { arg, before: format!("--{name}=") }
                }
                _ => Expected::Option,
            };
        }
        match self.shorts(&self.word).1 {
            Some((arg, before, value)) if !value.is_empty() || before.ends_with('=') => {
                Expected::Value { arg, before: before.to_owned() }
            }
            _ => Expected::Option,
        }
    }

    fn positional(&self, reader: &Reader<'c>) -> Option<&'c Arg> {
        let mut left = reader.positionals;
        self.command.get_positionals().find(|arg| {
            let most = arg.get_num_args().map_or(1, |range| range.max_values());
            let is_here = left < most;
            left = left.saturating_sub(most);
            is_here
        })
    }

    fn long(&self, name: &str) -> Option<&'c Arg> {
        self.command.get_arguments().find(|arg| {
            arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
        })
    }

    fn short(&self, letter: char) -> Option<&'c Arg> {
        self.command.get_arguments().find(|arg| {
            arg.get_short() == Some(letter)
                || arg.get_all_short_aliases().is_some_and(|aliases| aliases.contains(&letter))
        })
    }

    /// The flags of a word such as `-qv`; and its option with a value, what comes before the value, and the value.
    fn shorts<'w>(&self, word: &'w str) -> (Vec<&'c Arg>, Option<(&'c Arg, &'w str, &'w str)>) {
        let mut flags = Vec::new();
        for (at, letter) in word.char_indices().skip(1) {
            let Some(arg) = self.short(letter) else { break };
            if !arg.get_action().takes_values() {
                flags.push(arg);
                continue;
            }
            let rest = &word[at + letter.len_utf8()..];
            let value = rest.strip_prefix('=').unwrap_or(rest);
            return (flags, Some((arg, &word[..word.len() - value.len()], value)));
        }
        (flags, None)
    }
}

/// How far the words before the cursor were read.
#[derive(Debug, Default)]
struct Reader<'c> {
    /// The option that still lacks its value.
    pending: Option<&'c Arg>,
    /// How many positional arguments there were.
    positionals: usize,
    /// Whether `--` was there.
    is_escaped: bool,
}

impl Reader<'_> {
    fn takes_subcommand(&self) -> bool {
        self.positionals == 0 && !self.is_escaped
    }
}

/// Whether the value of an option may be the word that follows it.
fn takes_next_word(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    /// What is expected at the end: `value ID BEFORE`, `option`, or `word ID`; before that the path of commands.
    fn expected(line: &str) -> String {
        let mut command = Cli::command();
        command.build();
        let words = line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = Line::of(&command, &words);
        let what = match &line.expected {
            Expected::Value { arg, before } => format!("value {} {before}", arg.get_id()),
            Expected::Option => "option".to_owned(),
            Expected::Word { positional, .. } => {
                format!("word {}", positional.map_or("-", |arg| arg.get_id().as_str()))
            }
        };
        format!("{}: {what}", line.path.join(" ")).trim().to_owned()
    }

    #[test]
    fn the_word_at_the_cursor_is_what_clap_would_take_it_for() {
        for (line, what) in [
            ("", ": word -"),
            ("create ", "create: word service_account"),
            ("--sandbox create ", "create: word service_account"),
            ("--sandbox=x create ", "create: word service_account"),
            ("create --sandbox ", "create: word service_account"),
            ("create a ", "create: word -"),
            ("--sandbox=", ": value sandbox --sandbox="),
            ("--cluster create ", ": word -"),
            ("--cluster demo create ", "create: word service_account"),
            ("--color ", ": value colour"),
            ("create a --color=al", "create: value colour --color="),
            ("list -o", "list: option"),
            ("list -o ", "list: value output"),
            ("list -oj", "list: value output -o"),
            ("list -qo=", "list: value output -qo="),
            ("list -qv ", "list: word -"),
            ("create -p x.json ", "create: word service_account"),
            ("update a --policy ", "update: value policies"),
            ("trust audit --fail-on ", "trust audit: value fail_on"),
            ("trust who-can ", "trust who-can: word role"),
            ("permissions provider ", "permissions: word command"),
            ("permissions provider create ", "permissions: word -"),
            ("completions ", "completions: word shell"),
            ("iam-serviceaccount --namepace ", "iam-serviceaccount: value namespace"),
            ("iam-serviceaccount -c -x -p ", "iam-serviceaccount: value policy"),
            ("create -- --color", "create: word service_account"),
            ("create --color=é --é -é ", "create: word service_account"),
            ("--check=", ": option"),
        ] {
            assert_eq!(expected(line), what, "{line:?}");
        }
    }

    #[test]
    fn values_before_the_cursor_are_known() {
        let mut command = Cli::command();
        command.build();
        let line = "create -n one --namespace=two a -q --tag k=v --kubeconfig f ";
        let words = line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = Line::of(&command, &words);
        assert_eq!(line.values("namespace"), ["one", "two"]);
        assert_eq!((line.value("namespace"), line.value("kubeconfig")), (Some("two"), Some("f")));
        let used_up = |name: &str| line.is_used_up(line.long(name).unwrap());
        assert!(used_up("quiet") && used_up("namespace") && !used_up("tag") && !used_up("color"));
    }
}
