//! What trust policies allow: the evaluator against a naive one, against the rules one by one, and on real documents.

mod bad_input;
mod comparison;
mod completions;
mod conditions;
mod documents;
mod generate;
mod hostile;
mod naive;
mod properties;
mod rules;
mod subjects;
mod values;
