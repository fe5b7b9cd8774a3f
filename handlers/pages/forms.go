package pages

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/problem"
)

// formParams reads the fields of a form. A field that appears twice is an error.
func formParams(c echo.Context) (url.Values, error) {
	kind := c.Request().Header.Get("Content-Type")
	if kind != "" && !web.IsMediaType(kind, echo.MIMEApplicationForm) {
		return nil, errFormType
	}
	form, err := c.FormParams()
	if err != nil {
		return nil, web.BodyError(err)
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, web.Malformed("duplicate_parameter", name, name+" must come once.")
		}
	}
	return form, nil
}

var errFormType = problem.New(problem.MediaType, "unsupported_media_type",
	"Send the form as application/x-www-form-urlencoded.")

// completeForm is formParams for a form that must contain all of these fields: a missing field
// differs from an empty one.
func completeForm(c echo.Context, fields ...string) (url.Values, error) {
	form, err := formParams(c)
	if err != nil {
		return nil, err
	}
	for _, name := range fields {
		if !form.Has(name) {
			return nil, &problem.Error{
				Kind:    problem.Malformed,
				Code:    "field_missing",
				Field:   name,
				Message: "The form has no field " + name + ". Nothing was changed.",
			}
		}
	}
	return form, nil
}
