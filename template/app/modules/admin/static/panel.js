// Deleting is a request by script: it says in a header what forms say in a hidden field.
const token = document.querySelector('meta[name="form-token"]');
window.jQuery.ajaxSetup({ headers: { [token.dataset.header]: token.content } });
