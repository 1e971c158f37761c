//! Business cards (vCard, RFC 6350 and its predecessor 3.0): written for contacts that are passed on, and read for their phone numbers.

use crate::content::ContactCard;

/// A vCard 3.0 of the card's fields. The parameter `waid` on a number makes phones offer to write to it at once.
#[must_use]
pub fn build(card: &ContactCard) -> String {
    let mut lines = vec![
        "BEGIN:VCARD".to_owned(),
        "VERSION:3.0".to_owned(),
        format!("N:;{};;;", escape(&card.name)),
        format!("FN:{}", escape(&card.name)),
    ];
    if let Some(organization) = &card.organization {
        lines.push(format!("ORG:{};", escape(organization)));
    }
    for phone in &card.phones {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        lines.push(format!("TEL;type=CELL;type=VOICE;waid={digits}:+{digits}"));
    }
    if let Some(email) = &card.email {
        lines.push(format!("EMAIL:{}", escape(email)));
    }
    lines.push("END:VCARD".to_owned());
    lines.join("\n")
}

/// The phone numbers, organisation and e-mail address of a vCard, as far as they are found; at most 20 numbers.
#[must_use]
pub fn read(name: &str, vcard: &str) -> ContactCard {
    let mut card = ContactCard {
        name: name.to_owned(),
        vcard: Some(vcard.to_owned()),
        ..ContactCard::default()
    };
    for line in vcard.lines() {
        let Some((property, value)) = line.split_once(':') else {
            continue;
        };
        let (name, parameters) = property.split_once(';').unwrap_or((property, ""));
        // Grouped properties are written "item1.TEL".
        let name = name.rsplit('.').next().unwrap_or_default();
        let value = value.trim();
        match name.to_ascii_uppercase().as_str() {
            "TEL" if card.phones.len() < 20 => {
                let waid = parameters
                    .split(';')
                    .find_map(|parameter| parameter.strip_prefix("waid="));
                let number = waid.unwrap_or(value);
                if !number.is_empty() {
                    card.phones.push(number.to_owned());
                }
            }
            "ORG" if card.organization.is_none() => {
                card.organization = Some(value.trim_end_matches(';').replace('\\', "")).filter(|text| !text.is_empty());
            }
            "EMAIL" if card.email.is_none() => {
                card.email = Some(value.replace('\\', "")).filter(|text| !text.is_empty());
            }
            _ => {}
        }
    }
    card
}

/// Text as a vCard's value: no line of it can become a property of its own.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | ',' | ';' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' => escaped.push_str("\\n"),
            '\r' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_fields_reads_back() {
        let card = ContactCard {
            name: "Ann; Rook".into(),
            vcard: None,
            phones: vec!["+1 555 000 1001".into(), "15550001002".into()],
            organization: Some("Rookery".into()),
            email: Some("ann@example.com".into()),
        };
        let text = build(&card);
        assert!(text.contains("FN:Ann\\; Rook\n"), "{text}");
        assert!(text.contains("waid=15550001001:+15550001001"), "{text}");
        let read = read("Ann; Rook", &text);
        assert_eq!(read.phones, ["15550001001", "15550001002"]);
        assert_eq!(read.organization.as_deref(), Some("Rookery"));
        assert_eq!(read.email.as_deref(), Some("ann@example.com"));
    }

    #[test]
    fn a_name_cannot_smuggle_a_property_in() {
        let card = ContactCard {
            name: "Ann\r\nTEL:666".into(),
            ..ContactCard::default()
        };
        assert!(!build(&card).lines().any(|line| line.starts_with("TEL")));
    }

    #[test]
    fn nonsense_is_no_card_and_no_panic() {
        for text in ["", ":", "TEL", "TEL:", "item1.TEL;waid=:", "\u{0}:\u{0}"] {
            assert_eq!(read("Ann", text).phones.len(), 0, "{text:?}");
        }
    }
}
