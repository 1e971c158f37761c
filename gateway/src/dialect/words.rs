//! What is said of failures in the languages of the older APIs. A problem that a dialect has made itself is in its language already: it has a text and
//! names no field, or it says it itself ([`Problem::said`]).

use shared::problem::Code;

use crate::problem::Problem;

/// A problem of a dialect's own, in its language.
#[must_use]
pub fn invalid(text: impl Into<String>) -> Problem {
    Problem::new(Code::ValidationFailed, text)
}

/// In Spanish.
#[must_use]
pub fn spanish(problem: &Problem) -> String {
    if let Some(text) = problem.saying() {
        return text.to_owned();
    }
    let text = match problem.code() {
        Code::ValidationFailed => match problem.errors().first() {
            None => return problem.detail().to_owned(),
            Some(error) => return spanish_field(&error.field),
        },
        Code::MalformedBody => "El cuerpo de la solicitud no es válido",
        Code::BodyTooLarge => "La solicitud es demasiado grande",
        Code::UnsupportedMediaType => "El tipo de contenido de la solicitud no es compatible",
        Code::RouteNotFound => "Ruta no encontrada",
        Code::MethodNotAllowed => "Método no permitido",
        Code::Unauthorized => "Credenciales inválidas o no proporcionadas",
        Code::Forbidden | Code::TenantSuspended => "Acceso denegado",
        Code::SessionNotFound => "Sesión no encontrada",
        Code::SessionNotStarted => "La sesión no está iniciada",
        Code::SessionNotConnected => "La sesión no está conectada",
        Code::SessionNotPaired => "La sesión no está vinculada a ningún dispositivo",
        Code::SessionAlreadyPaired => "La sesión ya está vinculada",
        Code::QrNotAvailable => "Código QR no disponible todavía",
        Code::MessageNotFound => "Mensaje no encontrado",
        Code::ChatNotFound => "Chat no encontrado",
        Code::ContactNotFound => "Contacto no encontrado",
        Code::StatusNotFound => "Estado no encontrado",
        Code::NotFoundOnWhatsapp => "No encontrado en WhatsApp",
        Code::MediaNotFound => "Archivo no encontrado",
        Code::MediaTooLarge => "El archivo es demasiado grande",
        Code::UnsupportedMedia => "El tipo de archivo no es compatible",
        Code::NotOnWhatsapp => "El número no está registrado en WhatsApp",
        Code::MessageRefused | Code::WhatsappRefused | Code::NotPermittedOnWhatsapp => "WhatsApp rechazó la operación",
        Code::UrlForbidden => "La URL no está permitida",
        Code::RateLimited | Code::Overloaded => "Demasiadas solicitudes, intente de nuevo más tarde",
        Code::QuotaExceeded => "Se alcanzó el límite de sesiones",
        Code::Unavailable | Code::RegionUnavailable => "Servicio no disponible, intente de nuevo más tarde",
        Code::Timeout | Code::OutcomeUnknown => "Tiempo de espera agotado",
        _ => "Error interno del servidor",
    };
    text.to_owned()
}

fn spanish_field(field: &str) -> String {
    match field {
        "to" => "El número de destino no es válido".to_owned(),
        "text.body" => "El mensaje no es válido".to_owned(),
        "name" => "El identificador de la sesión debe tener entre 1 y 100 caracteres".to_owned(),
        "url" | "webhook.url" => "La URL del webhook no es válida".to_owned(),
        "" => "El archivo no es válido".to_owned(),
        file if file.ends_with(".link") => "La URL del archivo no es válida".to_owned(),
        file if file.ends_with(".base64") => "El archivo en base64 no es válido".to_owned(),
        other => format!("El valor de {other} no es válido"),
    }
}

/// In Portuguese.
#[must_use]
pub fn portuguese(problem: &Problem) -> String {
    if let Some(text) = problem.saying() {
        return text.to_owned();
    }
    let text = match problem.code() {
        Code::ValidationFailed => match problem.errors().first() {
            None => return problem.detail().to_owned(),
            Some(error) => return portuguese_field(&error.field),
        },
        Code::MalformedBody => "O corpo da requisição não é válido",
        Code::BodyTooLarge => "A requisição é grande demais",
        Code::UnsupportedMediaType => "O tipo de conteúdo da requisição não é suportado",
        Code::RouteNotFound => "Rota não encontrada",
        Code::MethodNotAllowed => "Método não permitido",
        Code::Unauthorized => "Token inválido",
        Code::Forbidden | Code::TenantSuspended => "Acesso negado",
        Code::SessionNotFound => "Sessão não encontrada",
        Code::SessionNotStarted => "A sessão não está iniciada",
        Code::SessionNotConnected => "A sessão não está conectada",
        Code::SessionNotPaired => "A sessão não está autenticada",
        Code::SessionAlreadyPaired => "A sessão já está autenticada",
        Code::QrNotAvailable => "QR Code ainda não disponível",
        Code::MessageNotFound => "Mensagem não encontrada",
        Code::ChatNotFound => "Conversa não encontrada",
        Code::ContactNotFound => "Contato não encontrado",
        Code::MediaNotFound => "Arquivo não encontrado",
        Code::MediaTooLarge => "O arquivo é grande demais",
        Code::UnsupportedMedia => "O tipo de arquivo não é suportado",
        Code::NotOnWhatsapp => "O número não existe no WhatsApp",
        Code::NotFoundOnWhatsapp => "Não encontrado no WhatsApp",
        Code::MessageRefused | Code::WhatsappRefused | Code::NotPermittedOnWhatsapp => "O WhatsApp recusou a operação",
        Code::UrlForbidden => "A URL não é permitida",
        Code::RateLimited | Code::Overloaded => "Requisições demais, tente novamente mais tarde",
        Code::QuotaExceeded => "O limite de sessões foi atingido",
        Code::Unavailable | Code::RegionUnavailable => "Serviço indisponível, tente novamente mais tarde",
        Code::Timeout | Code::OutcomeUnknown => "Tempo esgotado",
        _ => "Erro interno do servidor",
    };
    text.to_owned()
}

fn portuguese_field(field: &str) -> String {
    match field {
        "to" => "O número de destino não é válido".to_owned(),
        "text.body" => "A mensagem não é válida".to_owned(),
        "name" => "O nome da sessão deve ter de 1 a 100 caracteres".to_owned(),
        "url" | "webhook.url" => "A URL do webhook não é válida".to_owned(),
        "" => "O arquivo não é válido".to_owned(),
        other => format!("O valor de {other} não é válido"),
    }
}
