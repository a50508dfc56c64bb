package alicloud

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
)

// Envelope is what every reply has besides its data. The documentation shows Success as a boolean and as a string, Code as a
// string and as a number, and a Message in replies of success.
type Envelope struct {
	Code, Success, Message LooseString
	RequestID              LooseString `json:"RequestId" xml:"RequestId"`
}

// Failed reports whether a reply with HTTP status 200 says that the call failed.
func (e *Envelope) Failed() bool {
	return e.Code != "" && e.Code != "200" || e.Success != "" && !strings.EqualFold(string(e.Success), "true")
}

// LooseString is a JSON string, "" for null, or another value as it is written.
type LooseString string

// UnmarshalJSON never fails on JSON.
func (s *LooseString) UnmarshalJSON(b []byte) error {
	if b[0] == '"' || string(b) == "null" {
		return json.Unmarshal(b, (*string)(s))
	}
	*s = LooseString(b)
	return nil
}

// ServiceError returns the error that the body of a reply describes: JSON, whose keys may be in lower case, or XML from
// the API gateway. Anything else has no code.
func ServiceError(status int, body []byte) *Error {
	var r Envelope
	if json.Unmarshal(body, &r) != nil {
		_ = xml.Unmarshal(body, &r)
	}
	code := string(r.Code)
	return &Error{Kind: classify(code, status), Code: code, Status: status, Message: string(r.Message), RequestID: string(r.RequestID)}
}

// Malformed returns the error of a reply with HTTP status 200 that cannot be read.
func Malformed(message string) *Error {
	return &Error{Kind: KindMalformedReply, Status: http.StatusOK, Message: message}
}
