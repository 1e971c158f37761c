//! The stable codes under which Rookery reports what went wrong: in HTTP problems, in failed commands and in failed messages.
//!
//! A code never changes its meaning. `gateway/PROBLEMS.md` has a paragraph for each, and a test compares the two.

use crate::session::words;

words! {
    /// What went wrong.
    Code {
        /// The body or a parameter is not what the route takes.
        ValidationFailed = "validation_failed",
        /// The body is not JSON.
        MalformedBody = "malformed_body",
        /// The body is larger than the route takes.
        BodyTooLarge = "body_too_large",
        /// The `Content-Type` is not one that the route takes.
        UnsupportedMediaType = "unsupported_media_type",
        /// There is no such route.
        RouteNotFound = "route_not_found",
        /// The route does not take this method.
        MethodNotAllowed = "method_not_allowed",
        /// No key, a wrong one, an expired or a revoked one.
        Unauthorized = "unauthorized",
        /// The key may not do this.
        Forbidden = "forbidden",
        /// The tenant is suspended.
        TenantSuspended = "tenant_suspended",
        /// There is no such tenant.
        TenantNotFound = "tenant_not_found",
        /// There is no such API key.
        ApiKeyNotFound = "api_key_not_found",
        /// There is no such user.
        UserNotFound = "user_not_found",
        /// Somebody logs in with this email already.
        EmailTaken = "email_taken",
        /// There is no such session, or it belongs to somebody else.
        SessionNotFound = "session_not_found",
        /// The session is stopped.
        SessionNotStarted = "session_not_started",
        /// The session has no live connection right now.
        SessionNotConnected = "session_not_connected",
        /// No account is linked to the session.
        SessionNotPaired = "session_not_paired",
        /// An account is already linked to the session.
        SessionAlreadyPaired = "session_already_paired",
        /// There is no QR code to show right now.
        QrNotAvailable = "qr_not_available",
        /// WhatsApp gave no pairing code.
        PairingFailed = "pairing_failed",
        /// There is no such message.
        MessageNotFound = "message_not_found",
        /// There is no such chat.
        ChatNotFound = "chat_not_found",
        /// There is no such file.
        MediaNotFound = "media_not_found",
        /// The file is larger than its kind may be.
        MediaTooLarge = "media_too_large",
        /// The file is not what its kind must be.
        UnsupportedMedia = "unsupported_media",
        /// Nothing is known of such a person.
        ContactNotFound = "contact_not_found",
        /// There is no such label.
        LabelNotFound = "label_not_found",
        /// There is no such call.
        CallNotFound = "call_not_found",
        /// There is no such command.
        CommandNotFound = "command_not_found",
        /// There is no such event.
        EventNotFound = "event_not_found",
        /// There is no such webhook.
        WebhookNotFound = "webhook_not_found",
        /// There is no such delivery.
        DeliveryNotFound = "delivery_not_found",
        /// The recipient does not use WhatsApp.
        NotOnWhatsapp = "not_on_whatsapp",
        /// WhatsApp refused the message.
        MessageRefused = "message_refused",
        /// WhatsApp refused what was asked.
        WhatsappRefused = "whatsapp_refused",
        /// There is no such thing at WhatsApp: a group, an invitation, a picture.
        NotFoundOnWhatsapp = "not_found_on_whatsapp",
        /// WhatsApp does not let the account do this: it is no administrator of the group, or no member.
        NotPermittedOnWhatsapp = "not_permitted_on_whatsapp",
        /// There is no such status post.
        StatusNotFound = "status_not_found",
        /// It may have been done and may not: look before asking again.
        OutcomeUnknown = "outcome_unknown",
        /// This installation gives no credentials for its streams.
        StreamsNotEnabled = "streams_not_enabled",
        /// The same idempotency key came with another request.
        IdempotencyConflict = "idempotency_conflict",
        /// The first request with this idempotency key is still running.
        IdempotencyInProgress = "idempotency_in_progress",
        /// The URL leads where Rookery does not go.
        UrlForbidden = "url_forbidden",
        /// Too many requests.
        RateLimited = "rate_limited",
        /// The tenant's quota is used up.
        QuotaExceeded = "quota_exceeded",
        /// Another region serves this session and cannot be reached.
        RegionUnavailable = "region_unavailable",
        /// Rookery has more to do than it can: try again later.
        Overloaded = "overloaded",
        /// The database or the broker cannot be reached right now.
        Unavailable = "unavailable",
        /// The request took too long.
        Timeout = "timeout",
        /// A fault of ours; the log has the cause under the request's id.
        Internal = "internal",
    }
}

impl Code {
    /// The HTTP status under which a gateway answers with this code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedBody => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::TenantSuspended | Self::NotPermittedOnWhatsapp => 403,
            Self::RouteNotFound
            | Self::TenantNotFound
            | Self::ApiKeyNotFound
            | Self::UserNotFound
            | Self::SessionNotFound
            | Self::QrNotAvailable
            | Self::MessageNotFound
            | Self::ChatNotFound
            | Self::MediaNotFound
            | Self::ContactNotFound
            | Self::LabelNotFound
            | Self::CallNotFound
            | Self::CommandNotFound
            | Self::NotFoundOnWhatsapp
            | Self::StatusNotFound
            | Self::EventNotFound
            | Self::WebhookNotFound
            | Self::DeliveryNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::SessionNotStarted
            | Self::SessionNotConnected
            | Self::SessionNotPaired
            | Self::SessionAlreadyPaired
            | Self::OutcomeUnknown
            | Self::EmailTaken
            | Self::StreamsNotEnabled
            | Self::IdempotencyInProgress => 409,
            Self::BodyTooLarge | Self::MediaTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::ValidationFailed
            | Self::NotOnWhatsapp
            | Self::UnsupportedMedia
            | Self::MessageRefused
            | Self::WhatsappRefused
            | Self::IdempotencyConflict
            | Self::UrlForbidden => 422,
            Self::RateLimited | Self::QuotaExceeded => 429,
            Self::Internal => 500,
            Self::PairingFailed => 502,
            Self::RegionUnavailable | Self::Overloaded | Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// A short name for people, the same for every occurrence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ValidationFailed => "The request is not valid",
            Self::MalformedBody => "The body is not valid JSON",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The content type is not supported",
            Self::RouteNotFound => "There is no such route",
            Self::MethodNotAllowed => "The route does not take this method",
            Self::Unauthorized => "A valid API key is needed",
            Self::Forbidden => "The API key may not do this",
            Self::TenantSuspended => "The tenant is suspended",
            Self::TenantNotFound => "There is no such tenant",
            Self::ApiKeyNotFound => "There is no such API key",
            Self::SessionNotFound => "There is no such session",
            Self::SessionNotStarted => "The session is stopped",
            Self::SessionNotConnected => "The session is not connected",
            Self::SessionNotPaired => "No account is linked to the session",
            Self::SessionAlreadyPaired => "An account is already linked to the session",
            Self::QrNotAvailable => "There is no QR code to show",
            Self::PairingFailed => "WhatsApp gave no pairing code",
            Self::MessageNotFound => "There is no such message",
            Self::ChatNotFound => "There is no such chat",
            Self::MediaNotFound => "There is no such file",
            Self::MediaTooLarge => "The file is too large",
            Self::UnsupportedMedia => "The file is not of a kind that can be sent like this",
            Self::ContactNotFound => "Nothing is known of this person",
            Self::LabelNotFound => "There is no such label",
            Self::CallNotFound => "There is no such call",
            Self::CommandNotFound => "There is no such command",
            Self::EventNotFound => "There is no such event",
            Self::WebhookNotFound => "There is no such webhook",
            Self::DeliveryNotFound => "There is no such delivery",
            Self::NotOnWhatsapp => "The recipient does not use WhatsApp",
            Self::MessageRefused => "WhatsApp refused the message",
            Self::WhatsappRefused => "WhatsApp refused what was asked",
            Self::NotFoundOnWhatsapp => "There is no such thing at WhatsApp",
            Self::NotPermittedOnWhatsapp => "WhatsApp does not let the account do this",
            Self::StatusNotFound => "There is no such status post",
            Self::UserNotFound => "There is no such user",
            Self::EmailTaken => "Somebody logs in with this email already",
            Self::StreamsNotEnabled => "This installation gives no credentials for its streams",
            Self::OutcomeUnknown => "It is not known whether it was done",
            Self::IdempotencyConflict => "The idempotency key was used for another request",
            Self::IdempotencyInProgress => "The first request with this idempotency key is still running",
            Self::UrlForbidden => "The URL is not allowed",
            Self::RateLimited => "Too many requests",
            Self::QuotaExceeded => "The quota is used up",
            Self::RegionUnavailable => "The session's region cannot be reached",
            Self::Overloaded => "Rookery is overloaded",
            Self::Unavailable => "A part of Rookery cannot be reached",
            Self::Timeout => "The request took too long",
            Self::Internal => "Something went wrong in Rookery",
        }
    }
}
