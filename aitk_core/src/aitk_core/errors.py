"""Errors a caller can see, each with a stable code.

    AitkError                          INTERNAL_ERROR             500
    ├── InvalidArgumentsError          INVALID_ARGUMENTS          400
    │   └── InvalidUrlError            INVALID_URL                400
    ├── NotFoundError                  NOT_FOUND                  404
    │   ├── UnknownToolError           TOOL_NOT_FOUND             404
    │   ├── JobNotFoundError           JOB_NOT_FOUND              404
    │   ├── ConfigNotFoundError        CONFIG_NOT_FOUND           404
    │   ├── FileMissingError           FILE_NOT_FOUND             404
    │   └── ResourceNotFoundError      RESOURCE_NOT_FOUND         404
    ├── NotPermittedError              NOT_PERMITTED              403
    │   ├── ReadOnlyError              READ_ONLY                  403
    │   ├── PathOutsideRootsError      PATH_OUTSIDE_ROOTS         403
    │   └── DestinationRefusedError    DESTINATION_REFUSED        403
    ├── ConflictError                  CONFLICT                   409
    ├── BrokenWeightsError             BROKEN_WEIGHTS             409
    ├── TooLargeError                  TOO_LARGE                  413
    ├── ToolTimeoutError               TOOL_TIMEOUT               504
    ├── BackendError                   BACKEND_ERROR              502
    │   ├── BackendUnreachableError    BACKEND_UNREACHABLE        503
    │   ├── BackendTimeoutError        BACKEND_TIMEOUT            503
    │   ├── BackendUnauthorizedError   BACKEND_UNAUTHORIZED       502
    │   └── BackendProtocolError       BACKEND_INVALID_RESPONSE   502
    ├── OutboundError                  OUTBOUND_ERROR             502
    │   ├── OutboundUnreachableError   OUTBOUND_UNREACHABLE       503
    │   ├── OutboundTimeoutError       OUTBOUND_TIMEOUT           504
    │   └── OutboundProtocolError      OUTBOUND_INVALID_RESPONSE  502
    ├── DeliveryError                  DELIVERY_FAILED            502
    │   └── DeliveryRefusedError       DELIVERY_REFUSED           502
    ├── MissingCapabilityError         MISSING_CAPABILITY         400
    ├── ToolFailedError                TOOL_EXECUTION_FAILED      500
    ├── StoreError                     STORE_ERROR                500
    ├── OutputSchemaViolationError     OUTPUT_SCHEMA_VIOLATION    500
    ├── UnknownContractError           UNKNOWN_CONTRACT           500
    ├── InvalidSettingError            INVALID_SETTING            500  (also ValueError)
    └── InvalidSpecError               INVALID_SPEC               500  (also ValueError)

Codes and detail keys are a contract; messages may be reworded. A frontend translates
them, nobody else does: `status` for HTTP, `isError` with `to_json()` for MCP.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AitkError(Exception):
    """Base of every error this project raises on purpose.

    Attributes:
        code: Upper-case word that callers branch on.
        status: HTTP status that the HTTP frontend answers with.
        remedy: What the caller can do, one sentence, or empty.
        details: JSON-ready facts about this occurrence.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, remedy: str = "", **details: Any) -> None:
        """Keep the message for people and the details for programs."""
        super().__init__(message)
        self.remedy = remedy
        self.details: dict[str, Any] = details

    def to_json(self) -> dict[str, Any]:
        """Return the error object that every frontend renders."""
        answer: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.remedy:
            answer["remedy"] = self.remedy
        if self.details:
            answer["details"] = self.details
        return answer


class InvalidArgumentsError(AitkError):
    """The arguments do not fit the tool's input schema, or contradict each other.

    `faults` in the details lists all of them: `{"path": JSON pointer, "message": str}`.
    """

    code = "INVALID_ARGUMENTS"
    status = 400


class InvalidUrlError(InvalidArgumentsError):
    """A URL that is none, or says more than this server takes. Never shows the URL: it is a secret.

    Details: `fault`, a stable word.
    """

    code = "INVALID_URL"


class NotFoundError(AitkError):
    """What the caller named does not exist."""

    code = "NOT_FOUND"
    status = 404


class UnknownToolError(NotFoundError):
    """No enabled plugin offers a tool of that name."""

    code = "TOOL_NOT_FOUND"


class JobNotFoundError(NotFoundError):
    """The backend has no job of that id."""

    code = "JOB_NOT_FOUND"


class ConfigNotFoundError(NotFoundError):
    """There is no saved config of that name."""

    code = "CONFIG_NOT_FOUND"


class FileMissingError(NotFoundError):
    """A file that the caller named does not exist."""

    code = "FILE_NOT_FOUND"


class ResourceNotFoundError(NotFoundError):
    """No plugin offers that resource or prompt."""

    code = "RESOURCE_NOT_FOUND"


class NotPermittedError(AitkError):
    """The server's policy does not allow it."""

    code = "NOT_PERMITTED"
    status = 403


class ReadOnlyError(NotPermittedError):
    """The server runs in read-only mode, or this tool is switched off."""

    code = "READ_ONLY"


class PathOutsideRootsError(NotPermittedError):
    """The path leads out of the configured roots."""

    code = "PATH_OUTSIDE_ROOTS"


class DestinationRefusedError(NotPermittedError):
    """A URL leads where this server sends nothing. Details: `host`, `kind`, a stable word."""

    code = "DESTINATION_REFUSED"


class ConflictError(AitkError):
    """The state of the job, file or name does not allow it now; nothing was changed."""

    code = "CONFLICT"
    status = 409


class BrokenWeightsError(AitkError):
    """A file of weights is cut off, damaged, or not of the format that its name says."""

    code = "BROKEN_WEIGHTS"
    status = 409


class TooLargeError(AitkError):
    """Something is larger than the limit named in the details."""

    code = "TOO_LARGE"
    status = 413


class ToolTimeoutError(AitkError):
    """The tool did not answer before the deadline of the call."""

    code = "TOOL_TIMEOUT"
    status = 504


class BackendError(AitkError):
    """The training backend answered with a failure. Details: `status`, `path`, `answer`."""

    code = "BACKEND_ERROR"
    status = 502


class BackendUnreachableError(BackendError):
    """No connection to the training backend. Details: `url`, `attempts`."""

    code = "BACKEND_UNREACHABLE"
    status = 503


class BackendTimeoutError(BackendError):
    """The training backend was connected but did not answer in time. Details: `timeout_s`."""

    code = "BACKEND_TIMEOUT"
    status = 503


class BackendUnauthorizedError(BackendError):
    """The training backend refused our token, or wants one (401)."""

    code = "BACKEND_UNAUTHORIZED"


class BackendProtocolError(BackendError):
    """The training backend answered something its API does not: HTML, a wrong shape, junk."""

    code = "BACKEND_INVALID_RESPONSE"


class OutboundError(AitkError):
    """A request to a caller's URL failed. Details: `host`; never more of the URL."""

    code = "OUTBOUND_ERROR"
    status = 502


class OutboundUnreachableError(OutboundError):
    """No connection, so nothing was sent. Details: `reason`: `dns`, `connect` or `tls`."""

    code = "OUTBOUND_UNREACHABLE"
    status = 503


class OutboundTimeoutError(OutboundError):
    """No complete answer in time; what was sent may have arrived. Details: `timeout_s`."""

    code = "OUTBOUND_TIMEOUT"
    status = 504


class OutboundProtocolError(OutboundError):
    """The answer broke off, is no HTTP, too large, or in an encoding that is not taken.

    Details: `reason`: `broken`, `too_large` or `encoding`. What was sent may have arrived.
    """

    code = "OUTBOUND_INVALID_RESPONSE"


class DeliveryError(AitkError):
    """A sink could not hand over an alert now; it may be tried again.

    Details: `not_before`, Unix seconds, where the other side named a time; `host` and `status`
    where there are any.
    """

    code = "DELIVERY_FAILED"
    status = 502


class DeliveryRefusedError(DeliveryError):
    """A sink will never hand over this alert to this destination; trying again is of no use."""

    code = "DELIVERY_REFUSED"


class MissingCapabilityError(AitkError):
    """The tool needs something this client does not offer. Details: `capability`."""

    code = "MISSING_CAPABILITY"
    status = 400


class ToolFailedError(AitkError):
    """The tool raised something it should not have; the log has the traceback."""

    code = "TOOL_EXECUTION_FAILED"


class StoreError(AitkError):
    """The server's own state cannot be read or written."""

    code = "STORE_ERROR"
    status = 500


class OutputSchemaViolationError(AitkError):
    """A tool returned what its own contract forbids: our fault, and never sent as right.

    `faults` in the details lists JSON pointers with messages.
    """

    code = "OUTPUT_SCHEMA_VIOLATION"


class UnknownContractError(AitkError):
    """A tool names an output schema that no distribution ships."""

    code = "UNKNOWN_CONTRACT"


class InvalidSettingError(AitkError, ValueError):
    """A setting cannot be used. Details: `setting`, `source`."""

    code = "INVALID_SETTING"


class InvalidSpecError(AitkError, ValueError):
    """A plugin declared a spec with an impossible field."""

    code = "INVALID_SPEC"
