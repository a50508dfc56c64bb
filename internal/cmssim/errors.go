package cmssim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// serviceError is an error reply of the API gateway, of CloudMonitor or of STS.
type serviceError struct {
	Status  int
	Code    string
	Message string
}

// The errors that a wrong request gets: common errors of the API gateway, and those of DescribeMetricList.
var (
	errAPI           = &serviceError{http.StatusNotFound, "InvalidApi.NotFound", "Specified api is not found, please check your url and method."}
	errIncomplete    = &serviceError{http.StatusBadRequest, "IncompleteSignature", "The request signature does not conform to Aliyun standards."}
	errSignature     = &serviceError{http.StatusBadRequest, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."}
	errNonceUsed     = &serviceError{http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already."}
	errDateFormat    = &serviceError{http.StatusBadRequest, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."}
	errDateExpired   = &serviceError{http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."}
	errAccessKey     = &serviceError{http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found."}
	errTokenExpired  = &serviceError{http.StatusBadRequest, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."}
	errTokenMismatch = &serviceError{http.StatusBadRequest, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey."}
	errResource      = &serviceError{http.StatusNotFound, "ResourceNotFound", "The specified resource is not found."}
	errParameter     = &serviceError{http.StatusBadRequest, "ParameterInvalid", "The parameters are invalid."}
)

// explain returns the error with one more sentence.
func (e *serviceError) explain(format string, args ...any) *serviceError {
	return &serviceError{e.Status, e.Code, e.Message + " " + fmt.Sprintf(format, args...)}
}

func (e *serviceError) because(err error) *serviceError {
	return e.explain("%v", err)
}

// fail sends an error reply.
func (c *call) fail(e *serviceError) {
	if strings.HasPrefix(e.Code, "Throttling") {
		c.w.Header().Set("x-ratelimit-user-api", "Limit:50,Remain:0,TimeLeft:1000,Reset:0")
	}
	c.sendJSON(e.Status, map[string]string{
		"RequestId": c.id,
		"HostId":    c.r.Host,
		"Code":      e.Code,
		"Message":   e.Message,
		"Recommend": "https://api.aliyun.com/troubleshoot?q=" + e.Code,
	})
}

const jsonType = "application/json;charset=utf-8"

// sendJSON sends a value that can be written in JSON.
func (c *call) sendJSON(status int, v any) {
	body, _ := json.Marshal(v)
	c.send(status, jsonType, body)
}

func (c *call) send(status int, contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}
