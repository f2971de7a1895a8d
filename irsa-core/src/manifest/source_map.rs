//! Where a value stands in a text, for errors that come after it was parsed.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Every key and scalar of a document, with its place, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(String, Location)>);

impl Places {
    /// The places of a document; none where it cannot be parsed.
    pub(super) fn of(text: &str, options: serde_saphyr::Options) -> Self {
        let mut places: Self = serde_saphyr::from_str_with_options(text, options).unwrap_or_default();
        places.0.sort_by_key(|(_, at)| place(*at));
        places
    }

    /// The first place of a value in a part of the text.
    pub(super) fn find(&self, value: &str, part: &Part) -> Option<Place> {
        let begin = self.0.partition_point(|(_, at)| place(*at) < part.start);
        let inside = self.0[begin..].iter().take_while(|(_, at)| place(*at) < part.end);
        inside.filter(|(known, _)| known == value).map(|(_, at)| place(*at)).next()
    }
}

/// Line and column, counted from 1.
pub(super) type Place = (u64, u64);

/// What stands from one place up to another.
pub(super) type Part = Range<Place>;

/// A whole text.
pub(super) const WHOLE: Part = (1, 1)..(u64::MAX, u64::MAX);

/// The parts that the entries of a list are.
pub(super) fn parts<T>(entries: &[Spanned<T>]) -> Vec<Part> {
    let begins: Vec<Place> = entries.iter().map(|entry| place(entry.referenced)).collect();
    let ends = begins.iter().skip(1).copied().chain([WHOLE.end]);
    begins.iter().zip(ends).map(|(begin, end)| *begin..end).collect()
}

fn place(location: Location) -> Place {
    (location.line(), location.column())
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Places;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Places, A::Error> {
        let mut places = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            places.push((key.value, key.referenced));
            let value = map.next_value::<Spanned<Places>>()?;
            add(&mut places, value);
        }
        Ok(Places(places))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Places, A::Error> {
        let mut places = Vec::new();
        while let Some(value) = list.next_element::<Spanned<Places>>()? {
            add(&mut places, value);
        }
        Ok(Places(places))
    }

    fn visit_str<E>(self, text: &str) -> Result<Places, E> {
        Ok(scalar(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Places, E> {
        Ok(scalar(&value.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Places, E> {
        Ok(scalar(&number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Places, E> {
        Ok(scalar(&number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Places, E> {
        Ok(scalar(&number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Places, E> {
        Ok(Places::default())
    }
}

/// A scalar does not know its own place: who holds it does.
fn scalar(text: &str) -> Places {
    Places(vec![(text.to_owned(), Location::UNKNOWN)])
}

fn add(places: &mut Vec<(String, Location)>, value: Spanned<Places>) {
    let own = |place: Location| if place == Location::UNKNOWN { value.referenced } else { place };
    places.extend(value.value.0.into_iter().map(|(text, place)| (text, own(place))));
}
