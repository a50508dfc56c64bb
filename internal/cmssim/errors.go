package cmssim

import (
	"fmt"
	"net/http"
	"strconv"
)

// serviceError is an error reply of the API gateway or of CloudMonitor.
type serviceError struct {
	Status  int
	Code    string
	Message string
}

// The errors that a wrong request gets. The codes and statuses are those of the API gateway's common errors and of the
// error table of DescribeMetricList.
var (
	errMethod       = &serviceError{http.StatusBadRequest, "UnsupportedHTTPMethod", "This http method is not supported."}
	errBody         = &serviceError{http.StatusBadRequest, "InvalidParameter", "The body of the request cannot be read."}
	errAPI          = &serviceError{http.StatusNotFound, "InvalidApi.NotFound", "Specified api is not found, please check your url and method."}
	errIncomplete   = &serviceError{http.StatusBadRequest, "IncompleteSignature", "The request signature does not conform to Aliyun standards."}
	errSignature    = &serviceError{http.StatusBadRequest, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."}
	errNonceUsed    = &serviceError{http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already."}
	errDateFormat   = &serviceError{http.StatusBadRequest, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."}
	errDateExpired  = &serviceError{http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."}
	errAccessKey    = &serviceError{http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found."}
	errTokenExpired = &serviceError{http.StatusBadRequest, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."}
	errResource     = &serviceError{http.StatusNotFound, "ResourceNotFound", "The specified resource is not found."}
	errParameter    = &serviceError{http.StatusBadRequest, "ParameterInvalid", "The parameters are invalid."}
)

// explain returns the error with a sentence more.
func (e *serviceError) explain(format string, args ...any) *serviceError {
	return &serviceError{e.Status, e.Code, e.Message + " " + fmt.Sprintf(format, args...)}
}

func (e *serviceError) because(err error) *serviceError {
	return e.explain("%v", err)
}

// fail sends an error reply.
func (c *call) fail(e *serviceError) {
	body := fmt.Appendf(nil, `{"RequestId":%s,"HostId":%s,"Code":%s,"Message":%s,"Recommend":%s}`,
		quote(c.id), quote(c.r.Host), quote(e.Code), quote(e.Message),
		quote("https://api.aliyun.com/troubleshoot?q="+e.Code))
	c.send(e.Status, "application/json;charset=utf-8", body)
}

func (c *call) send(status int, contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("x-acs-request-id", c.id)
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}
