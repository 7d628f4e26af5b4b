from http import HTTPStatus

from fastapi import Request, Response

from .dependencies import FeedbackFormDep, FeedbackServiceDep, PagesDep
from .forms import Form
from .routing import PageRouter
from .schemas import Feedback

router = PageRouter()


@router.get("/")
async def show_home(pages: PagesDep) -> Response:
    return pages.render("home.html")


@router.get("/feedback")
async def show_feedback_form(_: FeedbackServiceDep, pages: PagesDep) -> Response:
    return pages.render("feedback.html", form=Form(schema=Feedback))


@router.post("/feedback")
async def send_feedback(
    service: FeedbackServiceDep, form: FeedbackFormDep, pages: PagesDep
) -> Response:
    if form.content is None:
        return pages.render("feedback.html", status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
    await service.hand_on(form.content)
    return pages.redirect("/feedback", notice="Thank you. Your message is on its way.")


async def show_asset(request: Request) -> Response:
    response: Response = await request.state.site.assets.get_response(
        request.path_params["name"], request.scope
    )
    return response


# Not a page: what is missing there is asked for by browsers, not by people.
router.add_route("/static/{name:path}", show_asset)
