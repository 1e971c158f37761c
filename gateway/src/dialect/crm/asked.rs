//! What stands in a query of the CRM's API: pages, filters, times; and the answer's `pagination`.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use http::request::Parts;
use serde_json::{Value, json};
use shared::address::Address;

use crate::app::App;
use crate::dialect::words;
use crate::http::parameters;
use crate::problem::Problem;

/// The most entries of a page.
const MOST: i64 = 100;
/// The last page that can be asked for: beyond it numbers are a mistake.
const LAST_PAGE: i64 = 1_000_000;

/// What stands in the query.
#[derive(Debug, Default)]
pub(super) struct Asked(HashMap<String, String>);

impl FromRequestParts<App> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Infallible> {
        Ok(Self(parameters::pairs(&parts.uri).collect()))
    }
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paging {
    page: i64,
    /// How many entries it has at most.
    pub(super) limit: i64,
}

impl Paging {
    /// How many entries stand on the pages before.
    pub(super) fn skip(self) -> i64 {
        (self.page - 1) * self.limit
    }

    /// The answer's `pagination`.
    pub(super) fn shown(self, total: i64) -> Value {
        let pages = (total + self.limit - 1) / self.limit;
        json!({ "total": total, "page": self.page, "limit": self.limit, "pages": pages })
    }
}

impl Asked {
    /// A parameter; `None` where it is absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    fn positive(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(words::invalid(format!(
                "El parámetro {name} debe ser un número entero positivo"
            ))),
        }
    }

    /// `page` and `limit`: the first page and `usual` entries if not said; never more than 100.
    pub(super) fn paging(&self, usual: i64) -> Result<Paging, Problem> {
        let page = self.positive("page")?.unwrap_or(1);
        if page > LAST_PAGE {
            return Err(words::invalid("El parámetro page es demasiado grande"));
        }
        Ok(Paging {
            page,
            limit: self.positive("limit")?.unwrap_or(usual).min(MOST),
        })
    }

    /// `true` or `false`.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(words::invalid(format!("El parámetro {name} debe ser true o false"))),
        }
    }

    /// From when on: a time, or the beginning of a day (UTC).
    pub(super) fn since(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        self.time(name, 0)
    }

    /// Until before when: just behind a time, or the end of a day (UTC), because this API's ends are included.
    pub(super) fn until(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        self.time(name, 1)
    }

    fn time(&self, name: &str, ends: i64) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let found = text
            .parse::<NaiveDate>()
            .ok()
            .and_then(|day| day.checked_add_signed(TimeDelta::days(ends)))
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map(|time| time.and_utc())
            .or_else(|| {
                let time = match DateTime::parse_from_rfc3339(text) {
                    Ok(time) => time.to_utc(),
                    // Without a zone it is UTC.
                    Err(_) => text.parse::<NaiveDateTime>().ok()?.and_utc(),
                };
                time.checked_add_signed(TimeDelta::milliseconds(ends))
            });
        let sane = found.filter(|time| (0..253_402_300_800).contains(&time.timestamp()));
        sane.map(Some)
            .ok_or_else(|| words::invalid(format!("El parámetro {name} debe ser una fecha ISO 8601")))
    }

    /// An address: a number or a JID.
    pub(super) fn address(&self, name: &str) -> Result<Option<Address>, Problem> {
        self.get(name).map(|text| address(name, text)).transpose()
    }
}

/// The person or group that a field names, as a number or as a JID.
pub(super) fn address(field: &str, text: &str) -> Result<Address, Problem> {
    text.parse()
        .map_err(|_| words::invalid(format!("El valor de {field} no es un número ni un JID de WhatsApp")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Asked(pairs.iter().map(pair).collect())
    }

    #[test]
    fn pages_count_from_one_and_have_a_hundred_entries_at_most() {
        let usual = asked(&[]).paging(20).unwrap();
        assert_eq!((usual.skip(), usual.limit), (0, 20));
        assert_eq!(
            usual.shown(0),
            json!({ "total": 0, "page": 1, "limit": 20, "pages": 0 })
        );
        let third = asked(&[("page", "3"), ("limit", "500")]).paging(20).unwrap();
        assert_eq!((third.skip(), third.limit), (200, 100));
        assert_eq!(
            third.shown(201),
            json!({ "total": 201, "page": 3, "limit": 100, "pages": 3 })
        );
        for wrong in [
            ("page", "0"),
            ("page", "x"),
            ("limit", "-1"),
            ("page", "9223372036854775807"),
        ] {
            assert!(asked(&[wrong]).paging(20).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_day_is_whole_at_both_ends_and_a_time_is_what_it_says() {
        let day = asked(&[("startDate", "2025-11-01"), ("endDate", "2025-11-07")]);
        let text = |time: Option<DateTime<Utc>>| time.unwrap().to_rfc3339();
        assert_eq!(text(day.since("startDate").unwrap()), "2025-11-01T00:00:00+00:00");
        assert_eq!(text(day.until("endDate").unwrap()), "2025-11-08T00:00:00+00:00");
        for (given, since) in [
            ("2025-11-01T12:00:00.000Z", "2025-11-01T12:00:00+00:00"),
            ("2025-11-01T12:00:00+01:00", "2025-11-01T11:00:00+00:00"),
            ("2025-11-01T12:00:00", "2025-11-01T12:00:00+00:00"),
        ] {
            assert_eq!(text(asked(&[("startDate", given)]).since("startDate").unwrap()), since);
        }
        for wrong in ["ayer", "2025-13-01", "-9999-01-01", "+262142-12-31"] {
            assert!(asked(&[("startDate", wrong)]).until("startDate").is_err(), "{wrong}");
        }
    }
}
