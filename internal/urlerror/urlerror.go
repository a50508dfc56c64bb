// Package urlerror removes addresses, which may hold a token or a signature, from the errors of net/http.
package urlerror

import (
	"errors"
	"net/url"
)

// Strip returns err without what net/http adds to it: the method and the URL with its query.
func Strip(err error) error {
	for {
		e, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = e.Err
	}
}
