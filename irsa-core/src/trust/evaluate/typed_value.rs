//! Values that are no strings: booleans, numbers, dates and ranges of addresses.

use std::net::IpAddr;
use std::str::FromStr;

pub(in crate::trust) fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

pub(in crate::trust) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A date of ISO 8601 in UTC, `2026-11-24` or `2026-11-24T01:02:03Z`, as a number that is greater for a later one.
pub(in crate::trust) fn date(text: &str) -> Option<f64> {
    let text = text.trim();
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let digits = |text: &str, form: &[u8]| {
        let fits = |(have, want): (&u8, &u8)| if *want == b'0' { have.is_ascii_digit() } else { have == want };
        (text.len() == form.len() && text.as_bytes().iter().zip(form).all(fits))
            .then(|| text.chars().filter(char::is_ascii_digit).collect::<String>())
    };
    let day = digits(day, b"0000-00-00")?;
    let time = digits(time, b"00:00:00Z").or_else(|| digits(time, b"00:00Z").map(|short| short + "00"))?;
    format!("{day}{time}").parse().ok()
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trust) struct Network {
    pub(in crate::trust) v4: bool,
    pub(in crate::trust) first: u128,
    pub(in crate::trust) last: u128,
}

impl Network {
    pub(in crate::trust) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text.trim(), None),
        };
        let address = IpAddr::from_str(address).ok()?;
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let free = bits.checked_sub(length.unwrap_or(bits))?;
        let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        let first = as_number(address) & !mask;
        Some(Self { v4: address.is_ipv4(), first, last: first | mask })
    }

    pub(in crate::trust) fn holds(&self, address: IpAddr) -> bool {
        self.has(address.is_ipv4(), as_number(address))
    }

    pub(in crate::trust) fn has(&self, v4: bool, address: u128) -> bool {
        self.v4 == v4 && (self.first..=self.last).contains(&address)
    }
}

fn as_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_networks_are_read() {
        assert!(date("2026-11-24") < date("2026-11-24T00:00:01Z"));
        assert_eq!(date("2026-11-24T00:00:01+01:00"), None);
        assert_eq!(date("tomorrow"), None);
        let network = Network::parse("10.1.2.3/8").unwrap();
        assert!(network.holds("10.255.255.255".parse().unwrap()) && !network.holds("11.0.0.0".parse().unwrap()));
        assert!(Network::parse("::/0").unwrap().holds("ffff::1".parse().unwrap()));
        assert_eq!(Network::parse("10.0.0.0/33"), None);
    }
}
